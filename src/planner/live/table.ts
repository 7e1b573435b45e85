/**
 * The one table of live actions: which programs touch the running system, which of their calls do, and what becomes of
 * those when an update is planned. A program that is not here works on files, or shows what it does by a signal or by
 * connecting to one of the guest's sockets.
 */
import { posix } from 'node:path';
import type { Accounts } from './accounts.js';
import { parseOptions } from './options.js';
import { systemctl } from './systemctl.js';
import type { Units } from './units.js';
import { answer, files, live, whole, type ProgramCall, type Verdict } from './verdict.js';

export interface LiveRule {
  /** Names of programs, or of one directory all of whose programs are meant. */
  readonly programs: readonly string[];
  readonly directory?: string;
  readonly decide: (call: ProgramCall, units: Units, accounts: Accounts) => Verdict;
  /**
   * What it prints is for people to read also where a program passes it on through a pipe, as run-parts(8) does with what a
   * kernel's hooks print.
   */
  readonly passedOn?: true;
  /** What it does at once in the guest, what offline; for readers. */
  readonly note: string;
}

const none: ReadonlySet<string> = new Set();

/** The whole program, whatever it is given. */
const always = (verdict: Verdict) => () => verdict;

/** Calls with one of these options or first words only look, or only work on files. */
const filesIf =
  (options: readonly string[], words: readonly string[], otherwise: Verdict, valued = none) =>
  (call: ProgramCall): Verdict => {
    const line = parseOptions(call.argv, valued);
    return options.some((name) => line.options.has(name)) || words.includes(line.words[0] ?? '')
      ? files()
      : otherwise;
  };

/** Runs on the tree, and on the tmpfs mounts and devices of the guest. */
const both = ({ argv }: ProgramCall): Verdict => ({ kind: 'both', actions: [argv] });

function initScript({ path, argv }: ProgramCall, units: Units): Verdict {
  const unit = `${posix.basename(path).replace(/\.sh$/, '')}.service`;
  const [, verb = ''] = argv;
  if (verb === 'status') return answer(units.state(unit).active ? 0 : 3);
  if (verb === 'start' || verb === 'restart') units.became(true, [unit]);
  if (verb === 'stop') units.became(false, [unit]);
  return live;
}

/** What the last word names must not be in use, and whether it is may be up to an action. */
function changesAccount({ name, argv }: ProgramCall, accounts: Accounts): Verdict {
  const user = argv.at(-1)!;
  return accounts.isUncertain(user)
    ? whole(`${name} ${user}, whose processes actions before it may have ended`)
    : files();
}

/** Options of usermod(8) for which it looks at processes. */
const identity = ['u', 'uid', 'l', 'login', 'd', 'home'];

function udevadm({ argv }: ProgramCall): Verdict {
  const { words } = parseOptions(argv, none);
  const [verb = ''] = words;
  if (['trigger', 'control', 'settle'].includes(verb)) return live;
  return verb === 'hwdb' || verb === 'verify' || verb === '' ? files() : whole(`udevadm ${verb}`);
}

function apparmorParser({ argv }: ProgramCall): Verdict {
  const { options, words } = parseOptions(
    argv,
    new Set([
      'I',
      'Include',
      'b',
      'base',
      'L',
      'cache-loc',
      'M',
      'features-file',
      'n',
      'namespace',
      'o',
      'ofile',
      'j',
      'jobs',
      'O',
      'optimize',
      'config-file',
      'policy-features',
      'kernel-features',
      'warn',
    ]),
  );
  if (
    [
      'Q',
      'skip-kernel-load',
      'N',
      'names',
      'p',
      'preprocess',
      'S',
      'stdout',
      'V',
      'version',
      'h',
      'help',
      'o',
      'ofile',
    ].some((name) => options.has(name))
  )
    return files();
  return words.length > 0 ? live : whole('an AppArmor profile that it is given on its standard input');
}

/** A key without a passphrase is made for this machine; questions about keys are about files. */
function sshKeygen(call: ProgramCall): Verdict {
  const { options } = parseOptions(
    call.argv,
    new Set([
      'f',
      't',
      'N',
      'b',
      'C',
      'm',
      'Z',
      'a',
      'O',
      'Y',
      's',
      'I',
      'n',
      'V',
      'z',
      'D',
      'E',
      'F',
      'R',
      'P',
      'w',
      'M',
      'r',
    ]),
  );
  if (options.has('A')) return whole('host keys of every kind');
  const file = options.get('f');
  const asks = ['l', 'y', 'e', 'i', 'B', 'F', 'R', 'H', 'p', 'c', 's', 'k', 'Q', 'M', 'Y', 'L', 'r'].some(
    (name) => options.has(name),
  );
  if (asks || file === undefined) return files();
  const secrets = [
    { path: file, mode: 0o600 },
    { path: `${file}.pub`, mode: 0o644 },
  ];
  return { kind: 'both', actions: [call.argv], secrets, done: () => undefined };
}

function makeSslCert(call: ProgramCall): Verdict {
  if (call.argv[1] !== 'generate-default-snakeoil') return whole('a certificate from a template of its own');
  const secrets = [
    { path: '/etc/ssl/private/ssl-cert-snakeoil.key' },
    { path: '/etc/ssl/certs/ssl-cert-snakeoil.pem' },
  ];
  return { kind: 'both', actions: [call.argv], secrets, done: () => undefined };
}

/**
 * In a maintainer script `-u` alone only has dpkg call initramfs-tools' trigger, and does that by files; the trigger's script
 * calls it again, without a package.
 */
function updateInitramfs({ name, argv, environment }: ProgramCall): Verdict {
  const deferred =
    name === 'update-initramfs' &&
    argv.slice(1).join(' ') === '-u' &&
    environment.some((entry) => /^DPKG_MAINTSCRIPT_PACKAGE=./.test(entry));
  return deferred ? files() : live;
}

const modprobeValued = new Set(['d', 'dirname', 'C', 'config', 'S', 'set-version']);
/** Options of modprobe(8) that only look at files. */
const modprobeLooks = [
  ...['D', 'show-depends', 'n', 'dry-run', 'show', 'c', 'showconfig', 'show-config', 'R', 'resolve-alias'],
  ...['show-modversions', 'dump-modversions', 'show-exports', 'V', 'version', 'h', 'help'],
];
/** Those with which what is loaded already matters, or of several modules some may be loaded. */
const modprobeUnsure = ['r', 'remove', 'a', 'all', 'first-time'];

/** Scripts often try to load what a kernel may not have: whether it has it is in files. */
function modprobe({ argv }: ProgramCall): Verdict {
  const { options } = parseOptions(argv, modprobeValued);
  if (modprobeLooks.some((name) => options.has(name))) return files();
  if (modprobeUnsure.some((name) => options.has(name))) return live;
  const [program = 'modprobe', ...rest] = argv;
  return { kind: 'both', argv: [program, '-n', ...rest], actions: [argv], done: () => undefined };
}

function dbusSend({ argv, discards }: ProgramCall): Verdict {
  const { options } = parseOptions(argv, none);
  if (options.has('session') || !options.has('system')) return whole('a bus that is not the system bus');
  return options.has('print-reply') && !discards ? whole('an answer from a service on D-Bus') : live;
}

export const liveRules: readonly LiveRule[] = [
  {
    programs: ['systemctl'],
    decide: systemctl,
    note: "starts, stops, reloads and the manager's own verbs are live; enabling and masking are done on the tree with --root=/ and followed by a live daemon-reload; is-active, is-failed, status, show, cat and list-units are answered as far as that is known; is-enabled and list-unit-files are asked of the tree; where it would say that it tells an init script, too, the script runs whole; an init script without a unit is one after the next daemon-reload; reset-failed and kill are live for active units and patterns",
  },
  {
    programs: [],
    directory: '/etc/init.d',
    decide: initScript,
    note: 'status is answered from the unit of that name; every other verb is live',
  },
  {
    programs: ['start-stop-daemon'],
    decide: filesIf(
      ['T', 'status', 't', 'test', 'V', 'version', 'H', 'help'],
      [],
      live,
      new Set([
        'p',
        'pidfile',
        'x',
        'exec',
        'n',
        'name',
        'u',
        'user',
        's',
        'signal',
        'R',
        'retry',
        'a',
        'startas',
        'N',
        'nicelevel',
        'P',
        'procsched',
        'I',
        'iosched',
        'k',
        'umask',
        'c',
        'chuid',
        'g',
        'group',
        'r',
        'chroot',
        'd',
        'chdir',
        'ppid',
        'O',
        'output',
        'notify-timeout',
      ]),
    ),
    note: "starting and stopping is live; --status and --test look at the guest's processes",
  },
  {
    programs: ['udevadm'],
    decide: udevadm,
    note: 'trigger, control and settle are live; hwdb works on files; info and tests need the devices',
  },
  {
    programs: ['sysctl'],
    decide: ({ argv }) => {
      const { options, words } = parseOptions(argv, new Set(['r', 'pattern']));
      const sets =
        ['w', 'write', 'p', 'load', 'system', 'f'].some((name) => options.has(name)) ||
        words.some((word) => word.includes('='));
      return sets ? live : files();
    },
    note: "setting is live; reading is the guest's own /proc/sys",
  },
  {
    programs: ['modprobe'],
    decide: modprobe,
    note: 'loading is live when a dry run finds the module in the tree, else its caller is told that there is none; removing is live; --show-depends, --dry-run and --showconfig look at files',
  },
  { programs: ['insmod', 'rmmod'], decide: always(live), note: 'live' },
  {
    programs: ['systemd-tmpfiles'],
    decide: (call) =>
      ['root', 'cat-config', 'version', 'help', 'user'].some((name) =>
        parseOptions(call.argv, none).options.has(name),
      )
        ? files()
        : both(call),
    note: 'runs offline for the files of the disk, and again in the guest for /run and /dev',
  },
  {
    programs: ['apparmor_parser'],
    decide: apparmorParser,
    note: 'loading a profile from a file is live; compiling to files is not',
  },
  {
    programs: ['update-grub', 'update-grub2', 'grub-mkconfig', 'grub-install', 'upgrade-from-grub-legacy'],
    decide: always(live),
    passedOn: true,
    note: "live: they ask about the guest's disks",
  },
  {
    programs: ['grub-probe'],
    decide: ({ discards }) => (discards ? live : whole("what grub-probe says of the guest's disks")),
    note: "asks about the guest's disks: live when nobody reads its answer, else the script runs in the guest, whole",
  },
  {
    programs: ['update-initramfs', 'mkinitramfs', 'dracut'],
    decide: updateInitramfs,
    passedOn: true,
    note: 'live, but for a maintainer script that leaves it to the trigger of initramfs-tools (update-initramfs -u): what has to be in an initrd depends on the devices; one made without them lacks the tools of the root file system',
  },
  {
    programs: ['needrestart'],
    decide: always(live),
    note: 'live: what runs with old files shows only in the guest, after the files are there',
  },
  { programs: ['telinit'], decide: always(live), note: 'live' },
  {
    programs: ['dbus-send'],
    decide: dbusSend,
    note: 'live on the system bus when no reply is asked for, or nobody reads it',
  },
  {
    programs: ['userdel'],
    decide: (call, _, accounts) => changesAccount(call, accounts),
    note: 'works on files, if the user has no processes: where actions before it may have ended those, the script runs whole',
  },
  {
    programs: ['usermod'],
    decide: (call, _, accounts) => {
      const { options } = parseOptions(call.argv, none);
      return identity.some((name) => options.has(name)) ? changesAccount(call, accounts) : files();
    },
    note: 'as userdel where it gives the user another number, name or home; else it works on files',
  },
  {
    programs: ['ssh-keygen'],
    decide: sshKeygen,
    note: 'a new key is made offline, so that its caller finds one, and again in the guest; the one made offline is not in the plan',
  },
  { programs: ['make-ssl-cert'], decide: makeSslCert, note: 'as ssh-keygen' },
  {
    programs: [
      ...['mount', 'umount', 'swapon', 'swapoff', 'losetup', 'ip', 'ifup', 'ifdown', 'ifconfig', 'nft'],
      ...[
        'iptables-restore',
        'ip6tables-restore',
        'busctl',
        'loginctl',
        'hostnamectl',
        'timedatectl',
        'localectl',
      ],
      ...[
        'networkctl',
        'resolvectl',
        'machinectl',
        'systemd-detect-virt',
        'shutdown',
        'reboot',
        'poweroff',
        'halt',
        'init',
      ],
      ...['hwclock', 'loadkeys', 'setupcon', 'aa-enabled', 'aa-status', 'dmesg'],
      ...[
        'iptables',
        'ip6tables',
        'ipset',
        'ebtables',
        'arptables',
        'tc',
        'bridge',
        'brctl',
        'ethtool',
        'iw',
      ],
    ],
    decide: ({ name }) => whole(name),
    note: 'the script that runs one of these runs in the guest, whole',
  },
];

/** Where programs are looked for: those of a guest's `PATH`. */
const programDirectories = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

/** What the tracer has to ask about for `liveRule`: programs and directories. */
export const livePaths: readonly string[] = liveRules.flatMap(({ programs, directory }) => [
  ...(directory === undefined ? [] : [directory]),
  ...programs.flatMap((name) => programDirectories.map((each) => `${each}/${name}`)),
]);

const byName = new Map(liveRules.flatMap((rule) => rule.programs.map((name) => [name, rule] as const)));

/** The row for a program, by its absolute path. */
export function liveRule(path: string): LiveRule | undefined {
  const directory = posix.dirname(path);
  return (
    liveRules.find((rule) => rule.directory === directory) ??
    (programDirectories.includes(directory) ? byName.get(posix.basename(path)) : undefined)
  );
}
