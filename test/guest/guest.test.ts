import { openGuest } from '../../src/guest/open.js';
import type { Guest, Process } from '../../src/guest/guest.js';
import { openMemory } from '../../src/memory/open.js';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { byPid, keyed, statFields, sysctlValues } from './captures.js';

/** Programs that took the captures, or that end when they are idle: gone, or not yet there, at the suspend. */
const transient = /^(sh|ps|cat|tar|sleep|lab-.*|kworker\/.*|qemu-ga|\(.*\))$/;

describe('a real suspended guest, against what it said about itself', () => {
  let lab: SuspendedGuest;
  let guest: Guest;
  let processes: Map<number, Process>;

  beforeAll(async () => {
    lab = await suspendedGuest();
    guest = openGuest(await openMemory(lab.memory));
    processes = new Map(guest.processes().map((process) => [process.pid, process]));
  });

  afterAll(() => guest[Symbol.dispose]());

  test('uname -a and /proc/version', async () => {
    const { sysname, nodename, release, version, machine } = guest.uts;
    expect(`${sysname} ${nodename} ${release} ${version} ${machine} GNU/Linux\n`).toBe(
      await lab.inside('uname-a'),
    );
    expect(guest.banner).toBe(await lab.inside('proc-version'));
  });

  test('ps lists the same processes', async () => {
    const inside = [...byPid(await lab.inside('all-comm'))].map(([pid, comm]) => [pid, comm.trim()] as const);
    const lasting = inside.filter(([, comm]) => !transient.test(comm));
    expect(lasting.length).toBeGreaterThan(20);
    for (const [pid, comm] of lasting) expect([pid, processes.get(pid)?.comm]).toEqual([pid, comm]);
    const known = new Set(inside.map(([pid]) => pid));
    const extra = [...processes.values()].filter(({ pid, comm }) => !known.has(pid) && !transient.test(comm));
    expect(extra.map(({ comm }) => comm)).toEqual([]);
  });

  test('/proc/<pid>/stat', async () => {
    let compared = 0;
    for (const [pid, text] of byPid(await lab.inside('all-stat'))) {
      const process = processes.get(pid);
      const stat = statFields(text);
      if (!process || transient.test(process.comm)) continue;
      compared++;
      expect({
        pid,
        ppid: process.ppid,
        pgrp: process.pgrp,
        session: process.session,
        ttyNr: process.ttyNr,
        ttyPgrp: process.detail?.ttyPgrp,
        priority: process.priority,
        nice: process.nice,
        threads: process.threads,
        start: String(process.startBootTime / 10_000_000n),
        vsize: String(process.vsize),
        exitSignal: process.detail?.exitSignal,
        rtPriority: process.rtPriority,
        policy: process.policy,
      }).toEqual({
        pid,
        ppid: Number(stat[4]),
        pgrp: Number(stat[5]),
        session: Number(stat[6]),
        ttyNr: Number(stat[7]),
        ttyPgrp: Number(stat[8]),
        priority: Number(stat[18]),
        nice: Number(stat[19]),
        threads: Number(stat[20]),
        start: stat[22],
        vsize: stat[23],
        exitSignal: Number(stat[38]),
        rtPriority: Number(stat[40]),
        policy: Number(stat[41]),
      });
      // These only grow, and little from the capture to the suspend.
      const grows = [
        [process.minFaults, stat[10]],
        [process.childMinFaults, stat[11]],
        [process.majFaults, stat[12]],
        [process.utime / 10_000_000n, stat[14]],
        [process.stime / 10_000_000n, stat[15]],
      ] as const;
      for (const [now, before] of grows) {
        expect(now).toBeGreaterThanOrEqual(BigInt(before ?? ''));
        expect(now - BigInt(before ?? '')).toBeLessThan(5000n);
      }
    }
    expect(compared).toBeGreaterThan(20);
  });

  test('/proc/<pid>/status', async () => {
    const set = (value: bigint) => value.toString(16).padStart(16, '0');
    let compared = 0;
    for (const [pid, text] of byPid(await lab.inside('all-status'))) {
      const process = processes.get(pid);
      const status = keyed(text);
      if (!process?.detail || transient.test(process.comm)) continue;
      compared++;
      const { capabilities: caps, detail } = process;
      expect({
        pid,
        Umask: detail.umask?.toString(8).padStart(4, '0'),
        Uid: process.uids.join('\t'),
        Gid: process.gids.join('\t'),
        Groups: process.groups.join(' '),
        FDSize: String(detail.fdSize),
        Threads: String(process.threads),
        SigBlk: set(detail.signals.blocked),
        SigIgn: set(detail.signals.ignored),
        SigCgt: set(detail.signals.caught),
        CapInh: set(caps.inheritable),
        CapPrm: set(caps.permitted),
        CapEff: set(caps.effective),
        CapBnd: set(caps.bounding),
        CapAmb: set(caps.ambient),
        NoNewPrivs: detail.noNewPrivs ? '1' : '0',
        Seccomp: String(detail.seccompMode),
        Seccomp_filters: String(detail.seccompFilters),
        VmSize: detail.memory && `${detail.memory.size} kB`,
        VmPeak: detail.memory && `${detail.memory.peak} kB`,
        VmStk: detail.memory && `${detail.memory.stack} kB`,
        VmExe: detail.memory && `${detail.memory.text} kB`,
        VmLib: detail.memory && `${detail.memory.library} kB`,
        VmLck: detail.memory && `${detail.memory.locked} kB`,
      }).toEqual({
        pid,
        ...Object.fromEntries(
          [
            'Umask Uid Gid Groups FDSize Threads SigBlk SigIgn SigCgt CapInh CapPrm CapEff CapBnd CapAmb',
            'NoNewPrivs Seccomp Seccomp_filters VmSize VmPeak VmStk VmExe VmLib VmLck',
          ]
            .flatMap((names) => names.split(' '))
            .map((name) => [name, status.get(name)]),
        ),
      });
    }
    expect(compared).toBeGreaterThan(20);
  });

  test('/proc/<pid>/cmdline', async () => {
    for (const [pid, text] of byPid(await lab.inside('all-cmdline'))) {
      const process = processes.get(pid);
      if (process && !transient.test(process.comm)) expect(process.cmdline?.toString('utf8')).toBe(text);
    }
  });

  test('lsmod', async () => {
    const ours = guest
      .modules()
      .map(({ name, size, refcount, usedBy, state, address, taints }) =>
        [
          name,
          size,
          refcount,
          usedBy.map((user) => `${user},`).join('') || '-',
          state,
          `0x${address.toString(16).padStart(16, '0')}`,
          ...(taints ? [`(${taints})`] : []),
        ].join(' '),
      );
    const inside = (await lab.inside('proc-modules')).trim().split('\n');
    expect(ours).toEqual(inside.map((line) => line.trim()));
  });

  test('/proc/filesystems', async () => {
    const ours = guest.fileSystemTypes().map(({ name, nodev }) => `${nodev ? 'nodev' : ''}\t${name}\n`);
    expect(ours.join('')).toBe(await lab.inside('proc-filesystems'));
  });

  test('/proc/1/mountinfo', async () => {
    const inside = (await lab.inside('proc-1-mountinfo')).trim().split('\n');
    const ours = guest
      .mounts()
      .map((mount) =>
        [
          mount.id,
          mount.parentId,
          `${mount.device.major}:${mount.device.minor}`,
          mount.root,
          mount.mountPoint,
          mount.options,
          ...(mount.propagation ? [mount.propagation] : []),
          '-',
          mount.type,
          mount.source,
          mount.superOptions,
        ].join(' '),
      );
    // Their options are in structs of modules: `super-options.ts` says so.
    const inModules = / - (ext4|autofs) (\S+) (r[ow]).*$/;
    expect(ours).toEqual(inside.map((line) => line.replace(inModules, ' - $1 $2 $3')));
    expect(inside.filter((line) => inModules.test(line)).length).toBeLessThan(4);
  });

  test('/proc/meminfo', async () => {
    const inside = keyed(await lab.inside('proc-meminfo'));
    const ours = new Map(guest.memInfo());
    expect([...ours.keys()]).toEqual([...inside.keys()]);
    const steady =
      /^(MemTotal|Swap.*|CommitLimit|Vmalloc(Total|Chunk)|HugePages.*|Huge.*|.*PmdMapped|NFS_.*|Bounce|Unevictable|Mlocked)$/;
    for (const [name, value] of ours) {
      const before = parseInt(inside.get(name) ?? '', 10);
      if (steady.test(name)) expect([name, value]).toEqual([name, before]);
      else expect([name, Math.abs(value - before) < 16_384]).toEqual([name, true]);
    }
  });

  test('sysctl -a', async () => {
    const inside = sysctlValues(await lab.inside('sysctl-a'));
    const moving =
      /^(fs\/(dentry-state|inode-(nr|state)|file-nr|quota\/.*)|kernel\/(random\/.*|ns_last_pid|pty\/nr)|.*cookie.*)$/;
    const ours = guest.sysctls();
    const different = [...ours].filter(
      ([path, value]) => inside.has(path) && !moving.test(path) && inside.get(path)?.trim() !== value.trim(),
    );
    expect(different.map(([path, value]) => [path, value, inside.get(path)])).toEqual([]);
    const missing = [...inside.keys()].filter((path) => !ours.has(path));
    expect([missing.length / inside.size < 0.1, missing]).toEqual([true, missing]);
    for (const name of ['all', 'default', 'lo'])
      expect(ours.get(`net/ipv6/conf/${name}/disable_ipv6`)).toBe(
        inside.get(`net/ipv6/conf/${name}/disable_ipv6`),
      );
  });

  test('command line, boot id, clocks, load, CPUs and limits', async () => {
    const [uptime, load] = [await lab.inside('proc-uptime'), await lab.inside('proc-loadavg')].map((text) =>
      text.trim().split(' '),
    ) as [string[], string[]];
    expect(`${guest.commandLine()}\n`).toBe(await lab.inside('proc-cmdline'));
    expect(`${guest.bootId()}\n`).toBe(await lab.inside('boot_id'));
    const { up, idle } = guest.uptime();
    expect(up).toBeGreaterThanOrEqual(Number(uptime[0]) - 1);
    expect(up).toBeLessThan(Number(uptime[0]) + 60);
    expect(idle).toBeGreaterThanOrEqual(Number(uptime[1]) - 1);
    const date = Number(await lab.inside('date'));
    expect(guest.wallClock()).toBeGreaterThan(date - 1);
    // The captures that follow take minutes on a busy machine.
    expect(guest.wallClock()).toBeLessThan(date + 1200);
    expect(Math.abs(guest.loadAverage()[2] - Number(load[2]))).toBeLessThan(0.5);
    expect(guest.lastPid?.()).toBeGreaterThanOrEqual(Number(load[4]));
    expect(guest.cpus()).toEqual({ online: 1, present: 1 });
    const sysctl = sysctlValues(await lab.inside('sysctl-a'));
    expect(guest.pidMax()).toBe(Number(sysctl.get('kernel/pid_max')));
    expect(guest.ngroupsMax()).toBe(Number(sysctl.get('kernel/ngroups_max')));
  });
});
