import type { Guest } from '../../../src/guest/guest.js';
import { openGuest } from '../../../src/guest/open.js';
import { openMemory } from '../../../src/memory/open.js';
import type { DirectoryNode, ProcNode } from '../../../src/shadow/proc/node.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';
import { suspendedGuest, type SuspendedGuest } from '../../lab/suspended.js';

/** What a real guest printed a moment before it was suspended, against what we render from its memory. */
let lab: SuspendedGuest;
let guest: Guest;
let tree: DirectoryNode;

beforeAll(async () => {
  lab = await suspendedGuest();
  guest = openGuest(await openMemory(lab.memory));
  tree = renderTree(guest);
});
afterAll(() => guest[Symbol.dispose]());

function nodeAt(path: string): ProcNode | undefined {
  return path
    .split('/')
    .reduce<ProcNode | undefined>(
      (parent, name) => (parent && 'children' in parent ? parent.children.get(name) : undefined),
      tree,
    );
}

function rendered(path: string): string {
  const node = nodeAt(path);
  if (!node || !('content' in node)) throw new Error(`/proc/${path} is not rendered`);
  return node.content.toString();
}

function linkAt(path: string): string {
  const node = nodeAt(path);
  return node?.kind === 'symlink' ? `${node.mode.toString(8)} ${rendered(path)}` : 'no link';
}

const isRendered = (path: string) => {
  try {
    return rendered(path) !== undefined;
  } catch {
    return false;
  }
};

/** One file of every process, by pid. */
async function perProcess(name: string): Promise<Map<string, string>> {
  const blocks = (await lab.inside(`all-${name}`)).split(/^== /m).slice(1);
  return new Map(
    blocks.map((block) => {
      const end = block.indexOf('\n');
      return [block.slice(0, end), block.slice(end + 1).replace(/\n$/, '')];
    }),
  );
}

/** Processes that were there at both times: what took the captures is gone, and idle workers end. */
async function bothTimes(name: string, atLeast = 40): Promise<[pid: string, inside: string, ours: string][]> {
  const all = [...(await perProcess(name))].filter(([, text]) => text !== '' || name === 'cmdline');
  const both = all.filter(([pid]) => isRendered(`${pid}/${name}`));
  expect(both.length).toBeGreaterThan(atLeast);
  return both.map(([pid, text]) => [pid, text, rendered(`${pid}/${name}`)]);
}

test.each([
  ['version', 'proc-version'],
  ['cmdline', 'proc-cmdline'],
  ['filesystems', 'proc-filesystems'],
  ['modules', 'proc-modules'],
  ['swaps', 'proc-swaps'],
  ['cpuinfo', 'proc-cpuinfo'],
  ['devices', 'proc-devices'],
  ['partitions', 'proc-partitions'],
  ['misc', 'proc-misc'],
  ['sys/kernel/random/boot_id', 'boot_id'],
  ['sys/kernel/hostname', 'hostname'],
  ['sys/kernel/domainname', 'domainname'],
  ['1/cmdline', 'proc-1-cmdline'],
  ['1/comm', 'proc-1-comm'],
])('%s is the same', async (path, capture) => {
  const [, pid, name] = /^proc-(\d+)-(cmdline|comm)$/.exec(capture) ?? [];
  const inside = pid && name ? (await perProcess(name)).get(pid) : await lab.inside(capture);
  expect(rendered(path)).toBe(inside);
});

test('1/root leads to the root', async () => {
  expect(rendered('1/root')).toBe((await lab.inside('proc-1-root')).trim());
});

test('uptime has gone on', async () => {
  const [inside, ours] = [await lab.inside('proc-uptime'), rendered('uptime')];
  expect(ours).toMatch(/^\d+\.\d\d \d+\.\d\d\n$/);
  expect(parseFloat(ours)).toBeGreaterThanOrEqual(parseFloat(inside));
});

test('loadavg has the same form', () => {
  expect(rendered('loadavg')).toMatch(/^(\d+\.\d\d ){3}\d+\/\d+ \d+\n$/);
});

test.each([
  ['stat', /^(cpu\d* +.*|intr|ctxt|processes|procs_running|procs_blocked|softirq)\b/],
  ['softirqs', /^ *(TIMER|NET_TX|NET_RX|BLOCK|TASKLET|SCHED|HRTIMER|RCU):/],
  ['interrupts', /^(LOC|RES|CAL|TLB| *\d+):/],
  ['diskstats', / vda1? /],
  ['vmstat', /^(nr|numa|pg|workingset|slabs|unevictable|thp|compact|direct_map)/],
])('%s has the same lines, whose numbers only grow or move', async (name, moving) => {
  const numbers = (line: string) =>
    moving.test(line) ? line.replace(/(?<![\w-])\d+(?!\w)/g, '#').replace(/ +/g, ' ') : line;
  const inside = (await lab.inside(`proc-${name}`)).split('\n');
  expect(rendered(name).split('\n').map(numbers)).toEqual(inside.map(numbers));
});

test('what is counted grows: interrupts, context switches, forks, requests', async () => {
  const sums = (text: string) =>
    ['intr', 'ctxt', 'processes', 'softirq'].map((name) =>
      Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1]),
    );
  const [before, now] = [sums(await lab.inside('proc-stat')), sums(rendered('stat'))];
  now.forEach((value, index) => {
    expect(value).toBeGreaterThanOrEqual(before[index] ?? NaN);
    expect(value).toBeLessThan((before[index] ?? NaN) * 20);
  });
});

test('meminfo has the same lines, and what does not move is equal', async () => {
  const fixed = /^(MemTotal|SwapTotal|SwapFree|CommitLimit|Vmalloc(Total|Chunk)|Huge\w+|Direct\w+):/;
  const inside = (await lab.inside('proc-meminfo')).split('\n');
  const ours = rendered('meminfo').split('\n');
  const shape = (line: string) => line.replace(/ *\d+/, (number) => `${number.length}`);
  expect(ours.map(shape)).toEqual(inside.map(shape));
  expect(ours.filter((line) => fixed.test(line))).toEqual(inside.filter((line) => fixed.test(line)));
});

test.each(['mounts', 'mountinfo'])('1/%s has the same mounts', async (name) => {
  const inside = (await lab.inside(`proc-1-${name}`)).split('\n');
  const ours = rendered(`1/${name}`).split('\n');
  expect(ours).toHaveLength(inside.length);
  ours.forEach((line, index) => {
    const [fields, theirs] = [line.split(' '), (inside[index] ?? '').split(' ')];
    expect(fields).toHaveLength(theirs.length);
    fields.forEach((field, at) => {
      // A file system's own options are known in part.
      expect(theirs[at]?.split(',')).toEqual(expect.arrayContaining(field.split(',')));
      if (!field.startsWith('rw') && !field.startsWith('ro')) expect(field).toBe(theirs[at]);
    });
  });
});

test('stat of every process is the same but for what moves by itself', async () => {
  // By number, proc(5): state, faults and times, vsize and rss, wchan, CPU, delays.
  const moving = new Set([3, 10, 11, 12, 13, 14, 15, 16, 17, 23, 24, 35, 39, 42]);
  const fields = (text: string) => {
    const [, pid, comm, rest] = /^(\d+) \(([^]*)\) ([^)]*)$/.exec(text.trimEnd()) ?? [];
    return [pid, comm, ...(rest?.split(' ') ?? [])].map((field, index) => {
      // The kernel adds to a kernel thread's name what it works on.
      if (index === 1) return field?.slice(0, field.startsWith('kworker') ? 9 : 15);
      return moving.has(index + 1) ? '-' : field;
    });
  };
  for (const [, inside, ours] of await bothTimes('stat')) {
    expect(fields(ours)).toHaveLength(52);
    expect(fields(ours)).toEqual(fields(inside));
  }
});

test('status of every process is the same but for what moves, and for the lines that we say are missing', async () => {
  const missing = /^(HugetlbPages|CoreDumping|THP_enabled|Speculation\w+|Cpus_allowed\w*|Mems_allowed\w*):/;
  const moving = /^(Name|State|Vm(Peak|Size|HWM|RSS|Data|Stk|PTE)|Rss\w+|SigQ|FDSize|\w*ctxt_switches):/;
  const shape = (text: string) =>
    text
      .trimEnd()
      .split('\n')
      .filter((line) => !missing.test(line))
      .map((line) => (moving.test(line) ? line.split('\t')[0] : line));
  for (const [, inside, ours] of await bothTimes('status')) expect(shape(ours)).toEqual(shape(inside));
});

test('cmdline of every process is the same', async () => {
  for (const [, inside, ours] of await bothTimes('cmdline')) expect(ours).toBe(inside);
});

test('every sysctl that we show is what sysctl printed', async () => {
  const inside = new Map(
    (await lab.inside('sysctl-a')).split('\n').map((line) => {
      const [name = '', value = ''] = line.split(/ =(.*)/);
      return [`sys/${name.replace(/[./]/g, (c) => (c === '.' ? '/' : '.'))}`, value.trim()] as const;
    }),
  );
  // Several lines become one after the other with the same name; they are not compared.
  const moving = /^sys\/(fs\/(dentry-state|file-nr|inode-(nr|state))|kernel\/(ns_last_pid|random\/.*))$/;
  const shown = [...inside].filter(([path]) => !moving.test(path) && isRendered(path));
  expect(shown.length).toBeGreaterThan(500);
  const squeeze = (text: string) => text.trim().replace(/\s+/g, ' ');
  for (const [path, value] of shown)
    expect(`${path} ${squeeze(rendered(path))}`).toBe(`${path} ${squeeze(value)}`);
});

/** Programs that go on working between the captures and the suspend. */
const working = /^(qemu-ga|systemd-journal|systemd-udevd|rsyslogd)$/;

test('maps of every process are the same', async () => {
  let mappings = 0;
  for (const [pid, inside, ours] of await bothTimes('maps', 5)) {
    if (working.test(rendered(`${pid}/comm`).trim())) continue;
    expect([pid, ours]).toEqual([pid, inside]);
    mappings += ours.split('\n').length;
  }
  expect(mappings).toBeGreaterThan(100);
});

test("every process's links read the same: its program, its directories and its open files", async () => {
  const inside = (await lab.inside('proc-links'))
    .split('\n')
    // A kernel thread's program is a link that cannot be read.
    .map((line) => /^\/proc\/(\d+)\/(\S+) (\d+) (.+)$/.exec(line))
    .filter((match) => match !== null)
    .filter(([, pid]) => isRendered(`${pid}/comm`) && !working.test(rendered(`${pid}/comm`).trim()));
  const ours = inside.map(([, pid, name]) => linkAt(`${pid}/${name}`));
  expect(ours).toEqual(inside.map(([, , , mode, target]) => `${mode} ${target}`));
  expect(new Set(inside.map(([, , name]) => name?.split('/')[0]))).toEqual(
    new Set(['cwd', 'exe', 'fd', 'root']),
  );
  expect(inside.filter(([line]) => /\/fd\/\d+ \d+ socket:/.test(line)).length).toBeGreaterThan(10);
});
