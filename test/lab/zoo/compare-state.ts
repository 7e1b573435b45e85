import type { Guest } from '../../../src/guest/guest.js';
import { renderAccounting, renderInterrupts } from '../../../src/shadow/proc/accounting.js';
import { renderCpuInfo } from '../../../src/shadow/proc/cpuinfo.js';
import { renderDevices, renderDiskStats, renderPartitions } from '../../../src/shadow/proc/devices.js';
import { renderMountInfo } from '../../../src/shadow/proc/kernel.js';
import { renderArp, renderInet6Addresses, renderRoutes } from '../../../src/shadow/proc/network.js';
import { renderFdInfo, renderStat } from '../../../src/shadow/proc/process.js';
import { renderTcp, renderUdp } from '../../../src/shadow/proc/sockets.js';
import { statFields } from '../../guest/captures.js';
import type { ZooGuest } from './boot.js';

/** Fields of `stat` by number that move by themselves, proc(5): state, faults and times, sizes, wchan, CPU. */
const moving = new Set([3, 10, 11, 12, 13, 14, 15, 16, 17, 23, 24, 35, 39, 42]);
/** Processes that run the captures, or work while they are taken. */
const busy = (guest: Guest) =>
  new Set(
    guest
      .processes()
      .filter(({ pid, comm }) => pid === 1 || comm.startsWith('kworker'))
      .map(({ pid }) => pid),
  );

/** What grep printed of many files: path → its lines. */
function byPath(text: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 0) continue;
    const path = line.slice(0, colon);
    files.set(path, `${files.get(path) ?? ''}${line.slice(colon + 1)}\n`);
  }
  return files;
}

/** Each file that the guest had and that we know, against ours. */
function* unequalFiles(
  inside: ReadonlyMap<string, string>,
  ours: ReadonlyMap<string, string>,
  least: number,
  same: (text: string, path: string) => string = (text) => text,
): Generator<string> {
  let compared = 0;
  for (const [path, text] of ours) {
    const said = inside.get(path);
    if (said === undefined) continue;
    compared++;
    if (same(said, path) !== same(text, path))
      yield `${path} is ${JSON.stringify(said)}, not ${JSON.stringify(text)}`;
  }
  if (compared < least) yield `only ${compared} of the guest's ${inside.size} were found`;
}

/** More looks at a guest, for `compare.ts`: what `captures-proc.ts` has of threads, descriptors, mounts, modules and the log. */
export const stateChecks = {
  async *threads(guest: Guest, zoo: ZooGuest) {
    const ours = new Map<string, string>();
    for (const [pid, threads] of guest.threads())
      if (!busy(guest).has(pid))
        for (const thread of threads) ours.set(`${pid}/task/${thread.pid}/stat`, renderStat(thread));
    const still = (text: string) =>
      statFields(text)
        .map((field, index) => (moving.has(index) ? '-' : field))
        .join(' ');
    yield* unequalFiles(byPath(await zoo.inside('all-task-stat')), ours, 20, still);
  },

  async *fdinfo(guest: Guest, zoo: ZooGuest) {
    const ours = new Map<string, string>();
    for (const [pid, files] of guest.openFiles())
      if (!busy(guest).has(pid))
        for (const file of files) ours.set(`${pid}/fdinfo/${file.descriptor}`, renderFdInfo(file));
    const known = (text: string) =>
      text
        .split('\n')
        .filter((line) => /^(pos|flags|mnt_id):/.test(line))
        .join('\n');
    yield* unequalFiles(byPath(await zoo.inside('all-fdinfo')), ours, 20, known);
  },

  async *namespaces(guest: Guest, zoo: ZooGuest) {
    const inside = byPath(await zoo.inside('all-mountinfo'));
    const ours = new Map(
      [...guest.processMounts()].map(([pid, mounts]) => [`${pid}/mountinfo`, renderMountInfo(mounts)]),
    );
    // The options of file systems in modules are in structs that the kernel's own type information does not describe.
    const plain = (text: string) => text.replace(/ - (ext4) (\S+) (r[ow]).*$/gm, ' - $1 $2 $3');
    yield* unequalFiles(inside, ours, 20, plain);
    if (new Set(ours.values()).size < 2) yield 'the process with mounts of its own is missing';
  },

  async *network(guest: Guest, zoo: ZooGuest) {
    const still = (text: string) =>
      text
        // Scrambled addresses, or what stands for them early after the boot.
        .replaceAll('(____ptrval____)', '0'.repeat(16))
        .replace(/^[0-9a-f]{16}(?=[: ])|(?<= )[0-9a-f]{16}(?= |$)/gm, '0'.repeat(16))
        .replace(/(?<= )\d\d:[0-9A-F]{8} [0-9A-F]{8}(?= )/g, 'timer')
        // An address is tentative (0x40) until the kernel has asked whether anybody has it.
        .replace(/^([0-9a-f]{32}(?: \w\w){3}) (?:40|c0)(?= )/gm, (_, rest: string) => `${rest} 80`)
        .replace(/^([0-9a-f]{32}(?: \w\w){3}) 00(?= )/gm, '$1 80')
        .trimEnd();
    const files = {
      tcp: renderTcp(guest, 4),
      tcp6: renderTcp(guest, 6),
      udp: renderUdp(guest.udpSockets(), 4),
      route: renderRoutes(guest),
      arp: renderArp(guest),
      if_inet6: renderInet6Addresses(guest),
    };
    for (const [name, ours] of Object.entries(files)) {
      const inside = await zoo.inside(`proc-net-${name}`);
      if (still(inside) !== still(ours))
        yield `${name} is ${JSON.stringify(inside)}, not ${JSON.stringify(ours)}`;
    }
    const listening = 10;
    if (guest.tcpSockets().every(({ state }) => state === listening)) yield 'the connection is missing';
  },

  async *log(guest: Guest, zoo: ZooGuest) {
    const inside = (await zoo.inside('dmesg-r')).trimEnd().split('\n');
    const ours = guest.kernelLog().flatMap(({ time, facility, level, text }) => {
      const [seconds, rest] = [String(time / 1_000_000_000n), String((time % 1_000_000_000n) / 1000n)];
      const prefix = `<${facility * 8 + level}>[${seconds.padStart(5)}.${rest.padStart(6, '0')}] `;
      return text.split('\n').map((line) => prefix + line);
    });
    if (inside.length < 100) yield `the guest printed only ${inside.length} lines`;
    for (const [index, line] of inside.entries())
      if (ours[index] !== line)
        yield `line ${index + 1} is ${JSON.stringify(line)}, not ${JSON.stringify(ours[index])}`;
  },

  async *parameters(guest: Guest, zoo: ZooGuest) {
    const inside = byPath(await zoo.inside('module-parameters'));
    const ours = new Map(
      guest
        .moduleParameters()
        // What it measures is in its parameters.
        .filter(({ module }) => module !== 'damon_stat')
        .map(({ module, name, text }) => [`${module}/parameters/${name}`, text]),
    );
    yield* unequalFiles(inside, ours, 100);
    for (const [path, text] of ours)
      if (text !== '' && !inside.has(path)) yield `the guest has no ${path} (${JSON.stringify(text)})`;
  },

  async *system(guest: Guest, zoo: ZooGuest) {
    // Counts that only grow keep their place in the line.
    const places = (text: string) => text.replace(/ *\d+/g, (number) => '#'.repeat(number.length));
    const counted = (text: string) =>
      text.replace(/^( *[\w]+:)((?: *\d+)+)/gm, (_, name: string, counts: string) => name + places(counts));
    const numbers = (text: string) => text.replace(/(?<![\w])\d+/g, '#');
    const files = {
      cpuinfo: [renderCpuInfo(guest), (text: string) => text],
      partitions: [renderPartitions(guest), (text: string) => text],
      devices: [renderDevices(guest), (text: string) => text],
      interrupts: [renderInterrupts(guest), counted],
      diskstats: [renderDiskStats(guest), numbers],
      stat: [renderAccounting(guest), numbers],
    } as const;
    for (const [name, [ours, same]] of Object.entries(files)) {
      const inside = (await zoo.inside(`proc-${name}`)).trimEnd();
      if (same(inside) !== same(ours.trimEnd()))
        yield `${name} is ${JSON.stringify(inside)}, not ${JSON.stringify(ours)}`;
    }
  },

  /** All interrupts are those with numbers and the architecture's own, unless these have numbers as on aarch64. */
  async *interrupts(guest: Guest, zoo: ZooGuest) {
    await Promise.resolve();
    const { numbered, named } = guest.interrupts();
    const rest = numbered.reduce((left, { total }) => left - total, guest.cpuAccounting().interrupts);
    const sum = (names: RegExp) =>
      named
        .filter(({ name }) => names.test(name))
        .flatMap(({ counts }) => counts)
        .reduce<bigint>((total, count) => total + BigInt(count), 0n);
    const own = zoo.kernel.architecture === 'arm64' ? 0n : sum(/^(?!TLB|MIS)/);
    // TLB shootdowns are function calls, too: older kernels do not add them once more.
    if (rest !== own && rest !== own + sum(/^TLB/)) yield `the CPUs counted ${own} of their own, not ${rest}`;
  },

  async *moduleState(guest: Guest, zoo: ZooGuest) {
    const ours = new Map(
      guest.modules().flatMap(({ name, size, refcount }) => [
        [`${name}/coresize`, `${size}\n`],
        [`${name}/refcnt`, `${refcount}\n`],
        [`${name}/initstate`, 'live\n'],
      ]),
    );
    yield* unequalFiles(byPath(await zoo.inside('module-state')), ours, 9);
  },
};
