import { createHash } from 'node:crypto';
import type { FileContent } from '../../../src/guest/guest-files.js';
import { openGuest } from '../../../src/guest/open.js';
import type { Guest, Process } from '../../../src/guest/guest.js';
import { readProfile } from '../../../src/kernel/profile.js';
import { openMemory } from '../../../src/memory/open.js';
import { renderModules, renderMountInfo } from '../../../src/shadow/proc/kernel.js';
import { renderMaps } from '../../../src/shadow/proc/maps.js';
import { byPid, keyed, statFields } from '../../guest/captures.js';
import type { ZooGuest } from './boot.js';
import { stateChecks } from './compare-state.js';

/** Programs that took the captures: gone, or not yet there, at the suspend. */
const transient = /^(sh|cat|tar|gzip|base64|grep|find|ls|sleep|kworker\/.*|ext4lazyinit|\(.*\))$/;
/** Figures that move by themselves, or that a program which reads them moves. */
const movingSysctls =
  /^(fs\/(dentry-state|inode-(nr|state)|file-nr|quota\/.*)|kernel\/(random\/.*|sched_domain\/.*|ns_last_pid|pty\/nr)|.*cookie.*|net\/netfilter\/nf_conntrack_count)$/;
const steadyMemory =
  /^(MemTotal|Swap.*|CommitLimit|Vmalloc(Total|Chunk)|HugePages.*|Huge.*|.*PmdMapped|NFS_.*|Bounce|Unevictable|Mlocked)$/;
const nsPerTick = 10_000_000n;
const maxShown = 8;

/** One look at a guest: yields what is not as the guest itself said. */
type Check = (guest: Guest, zoo: ZooGuest) => AsyncGenerator<string>;

/**
 * Compares all that the introspection says about a guest of the zoo with what the guest said about itself.
 * @returns one line for each difference, empty when there is none
 */
export async function compareWithCaptures(zoo: ZooGuest): Promise<string[]> {
  const profile = zoo.profile === undefined ? undefined : readProfile(zoo.profile);
  using guest = openGuest(await openMemory(zoo.memory), { profile });
  const differences: string[] = [];
  for (const [name, check] of Object.entries(checks)) {
    const found: string[] = [];
    try {
      for await (const difference of check(guest, zoo)) found.push(`${name}: ${difference}`);
    } catch (error) {
      found.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
    differences.push(...found.slice(0, maxShown));
    if (found.length > maxShown) differences.push(`${name}: … ${found.length - maxShown} more`);
  }
  const untold = zoo.kernel.untold ?? [];
  return differences.filter((line) => !untold.some((start) => line.startsWith(start)));
}

const checks: Readonly<Record<string, Check>> = {
  ...stateChecks,

  async *names(guest, zoo) {
    const { sysname, nodename, release, version, machine } = guest.uts;
    yield* unequal('uname -a', await zoo.inside('uname-a'), [
      `${sysname} ${nodename} ${release} ${version} ${machine} GNU/Linux\n`,
    ]);
    yield* unequal('/proc/version', await zoo.inside('proc-version'), [guest.banner]);
    yield* unequal('/proc/cmdline', await zoo.inside('proc-cmdline'), [`${guest.commandLine()}\n`]);
    yield* unequal('boot id', await zoo.inside('boot_id'), [`${guest.bootId()}\n`]);
  },

  async *processes(guest, zoo) {
    const inside = byPid(await zoo.inside('all-comm'));
    const ours = new Map(guest.processes().map((process) => [process.pid, process]));
    for (const [pid, text] of inside) {
      const comm = text.trim();
      const process = ours.get(pid);
      if (transient.test(comm)) continue;
      if (process?.comm !== comm) yield `pid ${pid} is ${comm}, not ${process?.comm}`;
    }
    for (const { pid, comm } of ours.values())
      if (!inside.has(pid) && !transient.test(comm)) yield `pid ${pid} (${comm}) is not in the guest`;
    if ([...ours.values()].filter(({ comm }) => comm === 'sleep').length < 8) yield 'sleepers are missing';
  },

  async *stat(guest, zoo) {
    for (const [process, text] of matched(guest, await zoo.inside('all-stat'))) {
      const stat = statFields(text);
      yield* unequal(
        `pid ${process.pid}`,
        [4, 5, 6, 7, 8, 9, 18, 19, 20, 22, 23, 38, 40, 41].map((index) => stat[index]).join(' '),
        [
          [
            ...[process.ppid, process.pgrp, process.session, process.ttyNr, process.detail?.ttyPgrp],
            ...[process.flags, process.priority, process.nice, process.threads],
            ...[process.startBootTime / nsPerTick, process.vsize, process.detail?.exitSignal],
            ...[process.rtPriority, process.policy],
          ].join(' '),
        ],
        process.comm,
      );
      const grows = [
        [process.minFaults, stat[10]],
        [process.majFaults, stat[12]],
        [process.utime / nsPerTick, stat[14]],
        [process.stime / nsPerTick, stat[15]],
      ] as const;
      for (const [now, before] of grows) {
        const least = BigInt(before ?? 0);
        if (now < least || now - least > 20_000n) yield `pid ${process.pid}: ${now} after ${least}`;
      }
    }
  },

  async *status(guest, zoo) {
    for (const [process, text] of matched(guest, await zoo.inside('all-status'))) {
      const status = keyed(text);
      const { detail } = process;
      const hex = (value: bigint | undefined) => value?.toString(16).padStart(16, '0');
      const kib = (value: number | undefined) => (value === undefined ? undefined : `${value} kB`);
      const expected: Record<string, string | undefined> = {
        State: process.state,
        PPid: String(process.ppid),
        Uid: process.uids.join('\t'),
        Gid: process.gids.join('\t'),
        Groups: process.groups.join(' '),
        Threads: String(process.threads),
        SigBlk: hex(detail?.signals.blocked),
        SigIgn: hex(detail?.signals.ignored),
        SigCgt: hex(detail?.signals.caught),
        CapPrm: hex(process.capabilities.permitted),
        CapEff: hex(process.capabilities.effective),
        CapBnd: hex(process.capabilities.bounding),
        FDSize: String(detail?.fdSize),
        Umask: detail?.umask?.toString(8).padStart(4, '0'),
        VmSize: kib(detail?.memory?.size),
        VmData: kib(detail?.memory?.data),
        VmExe: kib(detail?.memory?.text),
        VmLib: kib(detail?.memory?.library),
        VmPTE: kib(detail?.memory?.pageTables),
      };
      // Kernel threads work whenever they like.
      const busy = process.kernelThread ? ['State'] : [];
      for (const [key, value] of Object.entries(expected)) {
        const said = key === 'State' ? status.get(key)?.[0] : status.get(key);
        if (!busy.includes(key) && said !== undefined && said !== value)
          yield `pid ${process.pid} (${process.comm}): ${key} is ${said}, not ${value}`;
      }
      const rss = Number.parseInt(status.get('VmRSS') ?? '0', 10);
      const ours = Number((process.rss * BigInt(pageKib(guest))).toString());
      if (Math.abs(ours - rss) > 2048) yield `pid ${process.pid}: VmRSS is ${rss}, not ${ours}`;
    }
  },

  async *cmdline(guest, zoo) {
    for (const [process, text] of matched(guest, await zoo.inside('all-cmdline')))
      if ((process.cmdline?.toString('latin1') ?? 'absent') !== text)
        yield `pid ${process.pid}: ${JSON.stringify(text)}, not ${JSON.stringify(process.cmdline?.toString('latin1'))}`;
  },

  async *modules(guest, zoo) {
    yield* unequalLines(await zoo.inside('proc-modules'), renderModules(guest));
  },

  async *filesystems(guest, zoo) {
    const ours = guest.fileSystemTypes().map(({ name, nodev }) => `${nodev ? 'nodev' : ''}\t${name}\n`);
    yield* unequalLines(await zoo.inside('proc-filesystems'), ours.join(''));
  },

  async *mounts(guest, zoo) {
    // The options of file systems in modules are in structs that the kernel's own type information does not describe.
    const plain = (text: string) => text.replace(/ - (ext4) (\S+) (r[ow]).*$/gm, ' - $1 $2 $3');
    yield* unequalLines(plain(await zoo.inside('proc-1-mountinfo')), plain(renderMountInfo(guest.mounts())));
  },

  async *meminfo(guest, zoo) {
    const inside = keyed(await zoo.inside('proc-meminfo'));
    const ours = new Map(guest.memInfo());
    for (const name of inside.keys()) if (!ours.has(name)) yield `there is no row ${name}`;
    for (const name of ours.keys()) if (!inside.has(name)) yield `the guest has no row ${name}`;
    yield* unequal('the order', [...inside.keys()].filter((name) => ours.has(name)).join(' '), [
      [...ours.keys()].filter((name) => inside.has(name)).join(' '),
    ]);
    for (const [name, value] of ours) {
      const before = Number.parseInt(inside.get(name) ?? '', 10);
      if (steadyMemory.test(name) ? value !== before : Math.abs(value - before) > 32_768)
        yield `${name} is ${before}, not ${value}`;
    }
  },

  async *sysctls(guest, zoo) {
    const inside = new Map<string, string>();
    for (const line of (await zoo.inside('sysctl')).split('\n')) {
      const [, path, value] = /^\.\/([^:]+):(.*)$/.exec(line) ?? [];
      if (path === undefined || value === undefined) continue;
      const known = inside.get(path);
      inside.set(path, known === undefined ? value : `${known}\n${value}`);
    }
    if (inside.size < 300) yield `the guest has only ${inside.size}`;
    const ours = guest.sysctls();
    for (const [path, value] of ours) {
      const said = inside.get(path);
      if (said !== undefined && !movingSysctls.test(path) && said.trim() !== value.trim())
        yield `${path} is ${JSON.stringify(said)}, not ${JSON.stringify(value)}`;
    }
    const missing = [...inside.keys()].filter((path) => !ours.has(path));
    if (missing.length > inside.size / 10) yield `${missing.length} are missing: ${missing.join(' ')}`;
  },

  async *clocks(guest, zoo) {
    const [up, idle] = (await zoo.inside('proc-uptime')).trim().split(' ').map(Number);
    const ours = guest.uptime();
    if (ours.up < (up ?? NaN) - 1 || ours.up > (up ?? NaN) + 120) yield `up ${up} s, not ${ours.up}`;
    if (!(ours.idle >= (idle ?? NaN) - 2)) yield `idle ${idle} s, not ${ours.idle}`;
    const date = Number(await zoo.inside('date'));
    if (Math.abs(guest.wallClock() - date) > 120) yield `date ${date}, not ${guest.wallClock()}`;
    const load = (await zoo.inside('proc-loadavg')).trim().split(/[ /]/);
    if (Math.abs(guest.loadAverage()[2] - Number(load[2])) > 0.5)
      yield `load ${load[2]}, not ${guest.loadAverage()[2]}`;
    const cpus = (await zoo.inside('proc-stat')).match(/^cpu\d+ /gm)?.length;
    yield* unequal('CPUs', `${cpus} ${zoo.kernel.cpus}`, [`${guest.cpus().online} ${guest.cpus().present}`]);
  },

  async *maps(guest, zoo) {
    for (const [process, text] of matched(guest, await zoo.inside('all-maps')))
      yield* unequalLines(text, renderMaps(process, guest) ?? 'absent', `pid ${process.pid} `);
  },

  async *descriptors(guest, zoo) {
    for (const [process, text] of matched(guest, await zoo.inside('all-fd'))) {
      const inside = [...text.matchAll(/ (\d+) -> (.*)$/gm)].map(
        ([, number, target]) => `${number} ${target}`,
      );
      const ours = (guest.openFiles().get(process.pid) ?? []).map(
        ({ descriptor, target }) => `${descriptor} ${target}`,
      );
      yield* unequal(`pid ${process.pid}`, inside.sort().join('\n'), [ours.sort().join('\n')]);
    }
  },

  async *files(guest, zoo) {
    const list = (await zoo.inside('tmpfs-list')).trim().split('\n');
    if (list.length < 300) yield `the guest lists only ${list.length}`;
    for (const line of list) {
      const [path, mode, ...rest] = line.split('|');
      // find() follows the last link, stat(1) does not.
      if ((Number.parseInt(mode ?? '', 16) & 0o170000) === 0o120000) continue;
      const file = guest.files.find(path ?? '');
      yield* unequal(path ?? '', [Number.parseInt(mode ?? '', 16) & 0o7777, ...rest].join(' '), [
        [file.mode, file.uid, file.gid, file.size, file.modified.seconds, file.links].join(' '),
      ]);
    }
    for (const line of (await zoo.inside('tmpfs-sums')).trim().split('\n')) {
      const [sum, path] = line.split(/ +/);
      const content = guest.files.find(path ?? '').content?.();
      if (!content || content.absent.length > 0) yield `${path} is not all in memory`;
      else if (sum256(content) !== sum) yield `${path} has other bytes`;
    }
  },

  async *locks(guest, zoo) {
    const inside = (await zoo.inside('proc-locks')).trim().split('\n').filter(Boolean);
    const ours = guest.fileLocks();
    if (ours.length !== inside.length) yield `${inside.length} file locks, not ${ours.length}`;
  },
};

function* matched(guest: Guest, text: string): Generator<readonly [Process, string]> {
  const inside = byPid(text);
  for (const process of guest.processes()) {
    const words = inside.get(process.pid);
    if (words !== undefined && words !== '' && !/^(kworker|init$)/.test(process.comm)) yield [process, words];
  }
}

function* unequal(what: string, inside: string, ours: readonly string[], who = ''): Generator<string> {
  if (ours[0] !== inside)
    yield `${what}${who && ` (${who})`} is ${JSON.stringify(inside)}, not ${JSON.stringify(ours[0])}`;
}

function sum256(content: FileContent): string {
  const bytes = Buffer.alloc(content.size);
  for (const piece of content.pieces()) piece.bytes.copy(bytes, piece.offset);
  return createHash('sha256').update(bytes).digest('hex');
}

function* unequalLines(inside: string, ours: string, where = ''): Generator<string> {
  const theirs = inside.trimEnd().split('\n');
  const lines = ours.trimEnd().split('\n');
  for (let index = 0; index < Math.max(theirs.length, lines.length); index++)
    if (theirs[index]?.trim() !== lines[index]?.trim())
      yield `${where}line ${index + 1} is ${JSON.stringify(theirs[index])}, not ${JSON.stringify(lines[index])}`;
}

/** KiB of a page, from what the guest's kernel itself says in its release: the only Debian flavour with other pages. */
function pageKib(guest: Guest): number {
  return guest.uts.release.includes('16k') ? 16 : 4;
}
