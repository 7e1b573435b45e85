/** The calls that act on the running system itself, past any file and any program that is known to do so. */
import type { SyscallName } from './numbers.js';
import { told, type Condition, type SyscallRow } from './row.js';
import type { Told } from './told-row.js';

const note = 'told when it has succeeded or failed';
const reads: Told = { kind: 'effect', errors: true };

const effect = (name: SyscallName, when: readonly Condition[] = [], more = ''): SyscallRow =>
  told(name, 'effects', `${note}${more}`, reads, when);

/** Of 32-bit programs that go by socketcall(2) nothing is told. */
const ofSockets = '; not by socketcall(2)';

/** Calls without another meaning: what they ask, where they ask, is the running system as well. */
const always: readonly SyscallName[] = [
  ...(['mount', 'umount', 'umount2', 'move_mount', 'fsopen', 'fspick', 'mount_setattr'] as const),
  ...(['pivot_root', 'swapon', 'swapoff', 'quotactl', 'quotactl_fd', 'acct'] as const),
  ...(['init_module', 'finit_module', 'delete_module', 'kexec_load', 'kexec_file_load', 'reboot'] as const),
  ...(['sethostname', 'setdomainname', 'settimeofday', 'stime', 'clock_settime', 'clock_settime64'] as const),
  ...(['adjtimex', 'clock_adjtime', 'clock_adjtime64', 'iopl', 'ioperm', 'vhangup'] as const),
];

/** linux/mount.h */
const OPEN_TREE_CLONE = 1;

/** Requests that change network devices, addresses, routes and bridges; linux/sockios.h. */
const requests = {
  SIOCADDRT: 0x890b,
  SIOCDELRT: 0x890c,
  SIOCSIFFLAGS: 0x8914,
  SIOCSIFADDR: 0x8916,
  SIOCSIFDSTADDR: 0x8918,
  SIOCSIFBRDADDR: 0x891a,
  SIOCSIFNETMASK: 0x891c,
  SIOCSIFMETRIC: 0x891e,
  SIOCSIFMTU: 0x8922,
  SIOCSIFNAME: 0x8923,
  SIOCSIFHWADDR: 0x8924,
  SIOCDIFADDR: 0x8936,
  SIOCSIFTXQLEN: 0x8943,
  SIOCETHTOOL: 0x8946,
  SIOCDARP: 0x8953,
  SIOCSARP: 0x8955,
  SIOCBRADDBR: 0x89a0,
  SIOCBRDELBR: 0x89a1,
  SIOCBRADDIF: 0x89a2,
  SIOCBRDELIF: 0x89a3,
} as const;

/** linux/socket.h, linux/netlink.h: families of which every message is to, or about, the running system. */
const AF_NETLINK = 16;
const netlinkFamilies = { NETLINK_XFRM: 6, NETLINK_NETFILTER: 12, NETLINK_GENERIC: 16 } as const;
/** `sizeof(struct sockaddr_nl)`, which no other family's address is as long as. */
const netlinkAddress = 12;

export const effectRows: readonly SyscallRow[] = [
  ...always.map((name) => effect(name)),
  effect('open_tree', [
    { argument: 2, is: 'anyBitOf', value: OPEN_TREE_CLONE, means: 'flags has OPEN_TREE_CLONE' },
  ]),
  ...Object.entries(requests).map(([name, value]) =>
    effect('ioctl', [{ argument: 1, is: 'equal', value, means: `request is ${name}` }]),
  ),
  ...Object.entries(netlinkFamilies).map(([name, value]) =>
    effect(
      'socket',
      [
        { argument: 0, is: 'equal', value: AF_NETLINK, means: 'domain is AF_NETLINK' },
        { argument: 2, is: 'equal', value, means: `protocol is ${name}` },
      ],
      ofSockets,
    ),
  ),
  told(
    'sendto',
    'effects',
    `${note}, with the type of its message; not by sendmsg(2), and${ofSockets.slice(1)}`,
    { kind: 'netlink', block: 1, errors: true },
    [{ argument: 5, is: 'equal', value: netlinkAddress, means: 'addrlen is that of a struct sockaddr_nl' }],
    'partial',
  ),
];
