import { readFileSync } from 'node:fs';

/** What a sandboxed command may use at most. */
export interface Limits {
  /** Bytes of memory, tmpfs and page cache included. */
  readonly memory: number;
  /** Processes and threads. */
  readonly processes: number;
}

export const defaultLimits: Limits = { memory: 2 * 2 ** 30, processes: 4096 };

export interface ConfigOptions {
  /** Host path of the guest's `/`. */
  readonly root: string;
  readonly command: readonly string[];
  readonly hostname: string;
  /** Added to, or instead of, the fixed environment. */
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: Limits;
  readonly cgroup: string;
  /** cgroup controllers that this host has; limits of others are left out. */
  readonly controllers: ReadonlySet<string>;
  /** Host files that show up in the sandbox, read-only. */
  readonly files: readonly { readonly host: string; readonly at: string }[];
  /** Host directory that shows up as `/sys`, of a file system that nothing can be written to; undefined: an empty one. */
  readonly sys: string | undefined;
  /** Host directory for `/dev/shm`; undefined: an empty one. */
  readonly sharedMemory: string | undefined;
  /** Most descriptors that a process may have: not more than we may. */
  readonly openFiles: number;
}

/**
 * What package work needs, and no more: files of any owner, users, devices in the tree, chroot, file
 * capabilities (without SETFCAP ping's postinst silently ends differently).
 */
const capabilities = [
  'CHOWN',
  'DAC_OVERRIDE',
  'FOWNER',
  'FSETID',
  'SETUID',
  'SETGID',
  'SETFCAP',
  'SYS_CHROOT',
  'KILL',
  'MKNOD',
  'AUDIT_WRITE',
].map((name) => `CAP_${name}`);

/** What a command finds in its environment, whatever the caller's is. */
export const sandboxEnvironment: Readonly<Record<string, string>> = {
  PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  LANG: 'C.UTF-8',
  DEBIAN_FRONTEND: 'noninteractive',
  TERM: 'dumb',
};

const tmpfs = ['nosuid', 'noexec'];
const mounts = [
  // Only processes of its own pid namespace, and none of the host's other files. Replaced before the start.
  { destination: '/proc', type: 'proc', options: ['nosuid', 'noexec', 'nodev', 'subset=pid'] },
  { destination: '/dev', type: 'tmpfs', options: ['nosuid', 'strictatime', 'mode=755', 'size=1m'] },
  {
    destination: '/dev/pts',
    type: 'devpts',
    options: [...tmpfs, 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', options: [...tmpfs, 'nodev'] },
].map((mount) => ({ source: mount.type, ...mount }));

function sysMount(source: string | undefined): object {
  const at = { destination: '/sys' };
  const options = [...tmpfs, 'nodev'];
  return source === undefined
    ? { ...at, source: 'tmpfs', type: 'tmpfs', options: [...options, 'ro', 'mode=555', 'size=4k'] }
    : // Not read-only: the file system behind it refuses every write, and says who tried.
      { ...at, source, type: 'bind', options: ['bind', ...options] };
}

function sharedMemoryMount(source: string | undefined): object {
  const at = { destination: '/dev/shm' };
  return source === undefined
    ? // Mode 1777: postgresql's configuration differs without it.
      { ...at, source: 'tmpfs', type: 'tmpfs', options: [...tmpfs, 'nodev', 'mode=1777', 'size=256m'] }
    : { ...at, source, type: 'bind', options: ['bind', ...tmpfs, 'nodev'] };
}

const errno = { EPERM: 1, ENOSYS: 38, EAFNOSUPPORT: 97 };
const CLONE_NEWUSER = 0x1000_0000;
const family = { netlink: 16, alg: 38, vsock: 40 };
const NETLINK_SOCK_DIAG = 4;

const deny = (names: readonly string[], errnoRet: number, args?: readonly object[]) => ({
  names,
  action: 'SCMP_ACT_ERRNO',
  errnoRet,
  ...(args && { args }),
});
const equals = (index: number, value: number) => ({ index, value, op: 'SCMP_CMP_EQ' });
const hasBits = (bits: number) => ({ index: 0, value: bits, valueTwo: bits, op: 'SCMP_CMP_MASKED_EQ' });

/** Calls that package work does not need and that reach beyond our namespaces or widen the kernel's face. */
const refusedCalls = [
  // A new user namespace would give every capability again, inside it. clone3's flags are out of a filter's sight.
  deny(['clone', 'unshare'], errno.EPERM, [hasBits(CLONE_NEWUSER)]),
  deny(['clone3'], errno.ENOSYS),
  // So that ss(8) reads /proc/net, where the guest's sockets are, instead of asking this kernel.
  deny(['socket'], errno.EAFNOSUPPORT, [equals(0, family.netlink), equals(2, NETLINK_SOCK_DIAG)]),
  deny(['socket'], errno.EAFNOSUPPORT, [equals(0, family.vsock)]),
  deny(['socket'], errno.EAFNOSUPPORT, [equals(0, family.alg)]),
  // The log is this kernel's, and so is what dmesg(1) would print.
  deny(['syslog'], errno.EPERM),
  // Kernel keyrings have no namespace.
  deny(['add_key', 'request_key', 'keyctl'], errno.ENOSYS),
  deny(['bpf', 'perf_event_open', 'userfaultfd'], errno.EPERM),
  deny(['io_uring_setup', 'io_uring_enter', 'io_uring_register'], errno.ENOSYS),
];

/** The launcher's configuration file: OCI runtime specification 1.0.2. */
export function ociConfig(options: ConfigOptions): object {
  const { limits, controllers } = options;
  return {
    ociVersion: '1.0.2',
    root: { path: options.root },
    hostname: options.hostname,
    process: {
      terminal: false,
      user: { uid: 0, gid: 0, umask: 0o022 },
      cwd: '/',
      args: options.command,
      env: Object.entries({ ...sandboxEnvironment, ...options.environment }).map(
        ([name, value]) => `${name}=${value}`,
      ),
      capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      // setuid and setgid programs must work as they do in the guest.
      noNewPrivileges: false,
      oomScoreAdj: 500,
      rlimits: [
        { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
        { type: 'RLIMIT_NOFILE', soft: Math.min(1024, options.openFiles), hard: options.openFiles },
      ],
    },
    mounts: [
      ...mounts,
      sysMount(options.sys),
      sharedMemoryMount(options.sharedMemory),
      ...options.files.map(({ host, at }) => ({
        destination: at,
        type: 'bind',
        source: host,
        options: ['bind', 'ro', 'nosuid', 'nodev'],
      })),
    ],
    linux: {
      cgroupsPath: options.cgroup,
      // No network namespace yet: package mirrors are reached through the host's.
      namespaces: ['mount', 'pid', 'ipc', 'uts', 'cgroup'].map((type) => ({ type })),
      resources: {
        // MKNOD makes device files; opening them stays forbidden but for the harmless ones that runc adds.
        devices: [{ allow: false, access: 'rwm' }],
        ...(controllers.has('memory') && { memory: { limit: limits.memory } }),
        ...(controllers.has('pids') && { pids: { limit: limits.processes } }),
      },
      seccomp: {
        defaultAction: 'SCMP_ACT_ALLOW',
        architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
        syscalls: refusedCalls,
      },
    },
  };
}

/** Our own hard limit of open files, which needs no right to hand on, within the usual one of a Debian guest. */
export function openFilesLimit(): number {
  const limits = readFileSync('/proc/self/limits', 'latin1');
  const hard = /^Max open files +\S+ +(\d+)/m.exec(limits)?.[1];
  return Math.min(Number(hard ?? 524288), 524288);
}
