import { readFileSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { OuaError } from '../../../src/base/errors.js';
import type { FileLock, Guest } from '../../../src/guest/guest.js';
import type { DirectoryNode, ProcNode } from '../../../src/shadow/proc/node.js';
import { procPage } from '../../../src/shadow/proc/page.js';
import { files, type ProcRow } from '../../../src/shadow/proc/row.js';
import { procTable } from '../../../src/shadow/proc/table.js';
import { hundredths, octalEscape } from '../../../src/shadow/proc/text.js';
import { renderTree, renderTreeInTurns } from '../../../src/shadow/proc/tree.js';
import { daemon, fixtureGuest, init } from './fixture-guest.js';

const withCode = (code: string) => expect.objectContaining({ code }) as unknown as Error;

function nodeAt(tree: DirectoryNode, path: string): ProcNode | undefined {
  return path
    .split('/')
    .reduce<ProcNode | undefined>(
      (node, name) => (node && 'children' in node ? node.children.get(name) : undefined),
      tree,
    );
}

function content(path: string, guest: Guest = fixtureGuest()): string | undefined {
  const node = nodeAt(renderTree(guest), path);
  return node && 'content' in node ? node.content.toString() : undefined;
}

describe('files of the system', () => {
  test.each([
    ['cmdline', 'root=/dev/vda1 ro quiet\n'],
    ['filesystems', 'nodev\tsysfs\n\text4\n'],
    ['loadavg', '0.74 0.35 0.13 0/3 769\n'],
    ['uptime', '104.34 47.04\n'],
    [
      'swaps',
      'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n' +
        '/dev/vda2                               partition\t999420\t\t0\t\t-2\n' +
        '/swap\\040file                           file\t\t20000000\t8\t\t5\n',
    ],
    [
      'stat',
      'cpu  11 0 22 33 4 0 5 0 0 0\ncpu0 11 0 22 33 4 0 5 0 0 0\nintr 100 0 9 0 4\nctxt 21576\n' +
        'btime 1795467200\nprocesses 346\nprocs_running 1\nprocs_blocked 2\nsoftirq 21 1 20\n',
    ],
    ['softirqs', '                    CPU0       \n          HI:          1\n      NET_RX:         20\n'],
    [
      'interrupts',
      '           CPU0       \n' +
        '  1:          9   IO-APIC   1-edge      i8042, other\n' +
        '  3:          4         -    \n' +
        'LOC:         77   Local timer interrupts\n' +
        'ERR:          0\n',
    ],
    ['devices', 'Character devices:\n  1 mem\n136 pts\n\nBlock devices:\n254 virtblk\n'],
    ['misc', '235 autofs\n'],
    [
      'partitions',
      'major minor  #blocks  name\n\n 254        0    4194304 vda\n 254        1    4192256 vda1\n',
    ],
    [
      'diskstats',
      ' 254       0 vda 7 1 56 3 2 0 16 4 0 24 13 0 0 0 0 5 6\n' +
        ' 254       1 vda1 7 1 56 3 2 0 16 4 0 24 13 0 0 0 0 5 6\n',
    ],
    ['vmstat', 'nr_free_pages 93016\nnr_unstable 0\n'],
    ['mounts', 'self/mounts'],
    ['net', 'self/net'],
    ['sys/kernel/ostype', 'Linux\n'],
    ['sys/kernel/osrelease', '6.1.0-50-cloud-amd64\n'],
    ['sys/kernel/version', '#1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-02)\n'],
    ['sys/kernel/hostname', 'guest\n'],
    ['sys/kernel/domainname', '(none)\n'],
    ['sys/kernel/ngroups_max', '65536\n'],
    ['sys/kernel/pid_max', '32768\n'],
    ['sys/kernel/random/boot_id', 'fb75c983-6565-42af-b136-fd2e8d8d7129\n'],
    ['sys/net/ipv6/conf/all/disable_ipv6', '0\n'],
    ['sys/fs/file-nr', '640\t0\t9223372036854775807\n'],
  ])('%s', (path, text) => expect(content(path)).toBe(text));

  test('locks', () => {
    const file = { device: { major: 254, minor: 1 }, inode: 1234n, access: 'WRITE', start: 0n } as const;
    const end = 2n ** 63n - 1n;
    const fileLocks = (): readonly FileLock[] => [
      { ...file, kind: 'POSIX', pid: 77, start: 8n, end: 15n },
      { ...file, kind: 'FLOCK', pid: 78, access: 'READ', end },
      { ...file, kind: 'OFDLCK', pid: undefined, end },
    ];
    expect(content('locks', fixtureGuest({ fileLocks }))).toBe(
      '1: POSIX  ADVISORY  WRITE 77 fe:01:1234 8 15\n' +
        '2: FLOCK  ADVISORY  READ 78 fe:01:1234 0 EOF\n' +
        '3: OFDLCK ADVISORY  WRITE -1 fe:01:1234 0 EOF\n',
    );
  });

  test('/sys has the modules, who uses them, and parameters', () => {
    const at = (path: string) => content(`.ouassister/sys/module/${path}`);
    expect([at('kvm/coresize'), at('kvm/refcnt'), at('kvm/initstate')]).toEqual([
      '1146880\n',
      '1\n',
      'live\n',
    ]);
    expect(at('kvm/holders/kvm_amd')).toBe('../../kvm_amd');
    expect(at('kvm/parameters/ignore_msrs')).toBe('N\n');
    expect(at('lab/taint')).toBe('OE\n');
    const absences: string[] = [];
    const moduleParameters = () => {
      throw new OuaError('KERNEL_UNSUPPORTED', 'this kernel has none', 'x');
    };
    renderTree(fixtureGuest({ moduleParameters }), procTable, ({ path }) => absences.push(path));
    expect(absences).toEqual(['/sys/module/*/parameters/*']);
  });

  test('version is the banner, one line', () => {
    expect(content('version')).toBe(fixtureGuest().banner);
    expect(content('version', fixtureGuest({ banner: 'Linux version 6.1' }))).toBe('Linux version 6.1\n');
  });

  test('meminfo aligns as the kernel does', () => {
    expect(content('meminfo')).toBe(
      [
        'MemTotal:         481288 kB',
        'Active(anon):        184 kB',
        'SwapTotal:             0 kB',
        'VmallocTotal:   34359738367 kB',
        'HugePages_Total:       0',
        'Hugepagesize:       2048 kB',
        '',
      ].join('\n'),
    );
  });

  test('modules', () => {
    expect(content('modules')).toBe(
      'kvm 1146880 1 kvm_amd, Live 0xffffffffc052e000\nlab 16384 0 - Live 0xffffffffc046e000 (OE)\n',
    );
  });

  test('mounts: read-only if either says so, superblock flags first, blanks escaped', () => {
    expect(content('1/mounts')).toBe(
      'proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n' +
        '/dev/vda1 / ext4 ro,sync,relatime,errors=remount-ro 0 0\n' +
        '\\043none /mnt/with\\040space\\134and\\011tab tmpfs ro,size=5120k,inode64 0 0\n',
    );
  });

  test('mountinfo', () => {
    expect(content('1/mountinfo')).toBe(
      '23 27 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw\n' +
        '27 1 254:1 / / rw,relatime - ext4 /dev/vda1 ro,sync,errors=remount-ro\n' +
        '90 27 0:40 /a\\040b /mnt/with\\040space\\134and\\011tab ro - tmpfs \\043none rw,size=5120k,inode64\n',
    );
  });

  test('what the memory does not tell is not there', () => {
    expect(content('sys/kernel/random/boot_id', fixtureGuest({ bootId: () => undefined }))).toBeUndefined();
    expect(content('iomem')).toBeUndefined();
  });

  test('what this kernel keeps in an unknown way is not there, with the reason', () => {
    const torn = (): never => {
      throw new OuaError('GUEST_INCONSISTENT', 'the list is torn', 'suspend it again');
    };
    const absences: unknown[] = [];
    const tree = renderTree(fixtureGuest({ swaps: torn }), procTable, (absence) => absences.push(absence));
    expect(nodeAt(tree, 'swaps')).toBeUndefined();
    expect(absences).toEqual([{ path: '/proc/swaps', reason: 'the list is torn' }]);
    expect(() => renderTree(fixtureGuest({ memInfo: torn }))).toThrow(withCode('GUEST_INCONSISTENT'));
  });
});

describe('files of a process', () => {
  test('stat of a daemon', () => {
    expect(content('1/stat')).toBe(
      '1 (systemd) S 0 1 1 0 -1 4194560 4600 24869 182 134 313 454 397 572 20 0 1 0 53 171487232 3003 18446744073709551615 94542071578624 94542071615725 140734290860304 0 0 0 671173123 4096 1260 1 0 0 17 0 0 0 0 0 0 94542071640208 94542071644176 94542570315776 140734290861950 140734290861961 140734290861961 140734290862061 0\n',
    );
  });

  test('stat of a kernel thread', () => {
    expect(content('10/stat')).toBe(
      '10 (mm_percpu_wq) I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 0 -20 1 0 65 0 0 18446744073709551615 0 0 0 0 0 0 0 2147483647 0 1 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n',
    );
  });

  test('stat without detail is what an unprivileged reader sees', () => {
    expect(content('512/stat')).toBe(
      '512 (odd) name\n) S 1 1 1 0 -1 4194560 4600 24869 182 134 313 454 397 572 20 0 1 0 53 171487232 3003 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n',
    );
  });

  test('status', () => {
    expect(content('1/status')).toBe(
      [
        'Name:\tsystemd',
        'Umask:\t0000',
        'State:\tS (sleeping)',
        'Tgid:\t1',
        'Ngid:\t0',
        'Pid:\t1',
        'PPid:\t0',
        'TracerPid:\t0',
        'Uid:\t0\t0\t0\t0',
        'Gid:\t0\t0\t0\t0',
        'FDSize:\t128',
        'Groups:\t ',
        'NStgid:\t1',
        'NSpid:\t1',
        'NSpgid:\t1',
        'NSsid:\t1',
        'VmPeak:\t  232712 kB',
        'VmSize:\t  167468 kB',
        'VmLck:\t       0 kB',
        'VmPin:\t       0 kB',
        'VmHWM:\t   12012 kB',
        'VmRSS:\t   12012 kB',
        'RssAnon:\t    2820 kB',
        'RssFile:\t    9192 kB',
        'RssShmem:\t       0 kB',
        'VmData:\t   18632 kB',
        'VmStk:\t     132 kB',
        'VmExe:\t      40 kB',
        'VmLib:\t   10696 kB',
        'VmPTE:\t      92 kB',
        'VmSwap:\t       0 kB',
        'Threads:\t1',
        'SigQ:\t1/1825',
        'SigPnd:\t0000000000000000',
        'ShdPnd:\t0000000000000000',
        'SigBlk:\t7fe3c0fe28014a03',
        'SigIgn:\t0000000000001000',
        'SigCgt:\t00000001000004ec',
        'CapInh:\t0000000000000000',
        'CapPrm:\t000001ffffffffff',
        'CapEff:\t000001ffffffffff',
        'CapBnd:\t000001ffffffffff',
        'CapAmb:\t0000000000000000',
        'NoNewPrivs:\t0',
        'Seccomp:\t0',
        'Seccomp_filters:\t0',
        'voluntary_ctxt_switches:\t626',
        'nonvoluntary_ctxt_switches:\t2385',
        '',
      ].join('\n'),
    );
  });

  test('status escapes the name and leaves out what was not read', () => {
    const text = content('512/status') ?? '';
    expect(text).toContain('Name:\todd) name\\n\nState:');
    expect(text).toContain('Uid:\t100\t101\t102\t103\nGid:\t200\t201\t202\t203\nGroups:\t4 27 \n');
    expect(text).toContain('VmSize:\t  167468 kB\nVmRSS:\t   12012 kB\nThreads:');
    expect(text).not.toMatch(/^(VmPeak|SigQ|Umask|Seccomp)/m);
  });

  test('comm, cmdline, statm, cgroup and links', () => {
    expect(content('1/comm')).toBe('systemd\n');
    expect(content('1/cmdline')).toBe('/sbin/init\0');
    expect(content('10/cmdline')).toBe('');
    expect(content('512/cmdline')).toBeUndefined();
    expect(content('1/statm')).toBe('41867 3003 2298 10 0 4691 0\n');
    expect(content('10/statm')).toBe('0 0 0 0 0 0 0\n');
    expect(content('512/statm')).toBeUndefined();
    expect(content('1/cgroup')).toBe('0::/init.scope\n');
    expect(content('1/exe')).toBe('/usr/lib/systemd/systemd');
    expect(content('1/root')).toBe('/');
    expect(content('512/root')).toBeUndefined();
  });

  test('maps aligns names as the kernel does, and is empty without memory', () => {
    expect(content('1/maps')?.split('\n')).toEqual([
      '55d0c1a2b000-55d0c1a2f000 r--p 00004000 fe:01 1234                       /usr/lib/systemd/sys\\012temd (deleted)',
      '55d0c2000000-55d0c2021000 rw-p 00000000 00:00 0                          [heap]',
      '7f0000000000-7f0000021000 rw-s 00000000 00:00 0 ',
      'ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]',
      '',
    ]);
    expect(content('10/maps')).toBe('');
    expect(content('512/maps')).toBeUndefined();
  });

  test('open files are links whose mode says what they were opened for', () => {
    const tree = renderTree(fixtureGuest());
    expect(nodeAt(tree, '1/fd')).toMatchObject({ kind: 'directory', mode: 0o500 });
    const links = ['0', '3', '12'].map(
      (name) => nodeAt(tree, `1/fd/${name}`) as { mode: number; content: Buffer },
    );
    expect(links.map(({ mode, content: target }) => [mode.toString(8), String(target)])).toEqual([
      ['700', '/dev/null'],
      ['500', 'pipe:[17]'],
      ['300', '/run/x (deleted)'],
    ]);
  });

  test('descriptors tell where they stand, how they were opened and through which mount', () => {
    expect(content('1/fdinfo/3')).toBe('pos:\t0\nflags:\t02000000\nmnt_id:\t12\n');
    expect(content('1/fdinfo/12')).toBe('pos:\t4096\nflags:\t01\nmnt_id:\t24\n');
    expect(nodeAt(renderTree(fixtureGuest()), `${daemon.pid}/fdinfo`)).toMatchObject({ kind: 'directory' });
  });

  test('threads have their own numbers in the files of their process', () => {
    const thread = { ...init, pid: 4711, tgid: 1, comm: 'worker', threads: 2 };
    const processes = () => [{ ...init, threads: 2 }];
    const guest = fixtureGuest({ processes, threads: () => new Map([[1, [thread]]]) });
    const at = (path: string) => content(path, guest);
    expect(at('1/task/4711/comm')).toBe('worker\n');
    expect(at('1/task/4711/stat')).toMatch(/^4711 \(worker\) S /);
    // A thread is said to wait, however many there are; a process with several is not.
    expect(at('1/task/4711/stat')?.split(' ')[34]).toBe('1');
    expect(at('1/stat')?.split(' ')[34]).toBe('0');
    expect(at('1/task/4711/status')).toContain('Tgid:\t1\nNgid:\t0\nPid:\t4711\n');
  });

  test('other processes have the mounts of their own namespace', () => {
    const [proc] = fixtureGuest().mounts();
    const guest = fixtureGuest({ processMounts: () => new Map([[daemon.pid, [proc!]]]) });
    expect(content(`${daemon.pid}/mounts`, guest)).toBe(
      'proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0\n',
    );
    expect(content(`${daemon.pid}/mountinfo`)).toBeUndefined();
  });

  test('belong to the effective ids', () => {
    const tree = renderTree(fixtureGuest());
    expect(nodeAt(tree, '512')).toMatchObject({ uid: 101, gid: 201, mode: 0o555 });
    expect(nodeAt(tree, '512/stat')).toMatchObject({ uid: 101, gid: 201, mode: 0o444 });
    expect(nodeAt(tree, '512/comm')).toMatchObject({ mode: 0o644 });
  });
});

describe('the tree', () => {
  test('has places to mount on, hidden, and what every tracee finds', () => {
    const tree = renderTree(fixtureGuest());
    expect(nodeAt(tree, '.ouassister')).toMatchObject({ kind: 'directory', hidden: true });
    expect(nodeAt(tree, '.ouassister/real')).toMatchObject({ kind: 'directory' });
    expect(nodeAt(tree, '.ouassister/stub')).toMatchObject({ kind: 'file' });
    expect(nodeAt(tree, '.tracee/exe')).toMatchObject({ kind: 'real' });
    expect(nodeAt(tree, '.tracee/task')).toMatchObject({ kind: 'threads' });
    expect(content('.tracee/mounts')).toBe(content('1/mounts'));
    expect(content('.tracee/cgroup')).toBe('0::/init.scope\n');
  });

  test.each(['../etc/passwd', 'a//b', 'net/./x', 'a\0b', 'x'.repeat(256), 'kernel/pid_max/below'])(
    'refuses a sysctl named %j',
    (name) => {
      const guest = fixtureGuest({ sysctls: () => new Map([[name, '0']]) });
      expect(() => renderTree(guest)).toThrow(withCode('GUEST_INCONSISTENT'));
    },
  );

  test.each(['', 'a\0b', 'x'.repeat(4096)])('refuses an executable at %j', (exe) => {
    const guest = fixtureGuest({ processes: () => [{ ...init, exe }] });
    expect(() => renderTree(guest)).toThrow(withCode('GUEST_INCONSISTENT'));
  });

  test('refuses two processes with one pid', () => {
    const guest = fixtureGuest({ processes: () => [init, { ...daemon, pid: 1 }] });
    expect(() => renderTree(guest)).toThrow(withCode('GUEST_INCONSISTENT'));
  });

  test('a family of files gives way to a row of its own', () => {
    const rows: ProcRow[] = [
      ...procTable,
      files('sys', 'test', () => new Map([['kernel/ostype', 'Other']]), new Set()),
    ];
    const node = nodeAt(renderTree(fixtureGuest(), rows), 'sys/kernel/ostype');
    expect(node).toMatchObject({ content: Buffer.from('Linux\n') });
  });
});

describe('the table', () => {
  test('names each path once, with its source, and says why a file is absent or partial', () => {
    const paths = procTable.map(({ path }) => path);
    expect(new Set(paths).size).toBe(paths.length);
    for (const { source, state, note } of procTable) {
      expect(source).toMatch(/^[a-z0-9_/-]+\.c(: \w+)?$/);
      if (state !== 'full') expect(note).not.toBe('');
    }
  });

  test('is what docs/proc.md says; write it anew with npm run pages', () => {
    expect(readFileSync(new URL('../../../../docs/proc.md', import.meta.url), 'utf8')).toBe(procPage());
  });
});

describe('numbers and names', () => {
  test('hundredths are cut, not rounded', () => {
    expect([0, 0.29, 1.999, 104.34, 12345.6789].map(hundredths)).toEqual([
      '0.00',
      '0.29',
      '1.99',
      '104.34',
      '12345.67',
    ]);
  });

  test('escapes are octal', () => {
    expect(octalEscape('a b\\c\td\ne#', ' \t\n#')).toBe('a\\040b\\134c\\011d\\012e\\043');
  });
});

test('a tree that is rendered in turns is the same, and others have theirs', async () => {
  let turns = 0;
  let over = false;
  const others = (async () => {
    for (; !over; turns++) await setImmediate();
  })();
  const slow: ProcRow = {
    ...procTable[0]!,
    nodes: function* (guest) {
      for (const end = performance.now() + 20; performance.now() < end;);
      yield* procTable[0]!.nodes(guest);
    },
  };
  const table = [slow, ...procTable.slice(1)];
  const tree = await renderTreeInTurns(fixtureGuest(), table);
  over = true;
  await others;
  expect(turns).toBeGreaterThan(0);
  expect(tree).toEqual(renderTree(fixtureGuest()));
});
