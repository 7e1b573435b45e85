import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { expectRefusal, Workbench } from './support.js';

interface Inspection {
  readonly uts: Record<'sysname' | 'nodename' | 'release' | 'version' | 'machine', string>;
  readonly processes: readonly { pid: number; ppid: number; comm: string; cmdline: string[] | null }[];
  readonly modules: readonly { name: string; size: number; refcount: number; usedBy: string[] }[];
  readonly fileSystemTypes: readonly { name: string; nodev: boolean }[];
}

let guest: SuspendedGuest;
let seen: Inspection;

let bench: Workbench;

beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
  seen = await bench.document<Inspection>('inspect', '--memory', guest.memory, '--json');
});

afterAll(() => bench[Symbol.dispose]());

test('uname -a', async () => {
  const { sysname, nodename, release, version, machine } = seen.uts;
  const inside = (await guest.inside('uname-a')).trim();
  expect(inside).toBe(`${sysname} ${nodename} ${release} ${version} ${machine} GNU/Linux`);
});

test('ps: the same processes, parents, names and arguments', async () => {
  const inside = (await guest.inside('ps-simple'))
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => /^ *(\d+) +(\d+) (\S.{0,14}\S?) +(.*)$/.exec(line)!)
    .map(([, pid, ppid, comm, args]) => ({
      pid: Number(pid),
      ppid: Number(ppid),
      comm: comm!.trim(),
      args: args!,
    }));
  const known = new Map(seen.processes.map((process) => [process.pid, process]));
  // Ended by the time of the suspend: the shell that took the captures, its ps, and what ends when it is idle.
  const passing = /udev-worker|lab-captures|^ps |^\[kworker/;
  const lasting = inside.filter(({ pid, args }) => known.has(pid) || !passing.test(args));
  expect(lasting.length).toBeGreaterThan(30);
  for (const { pid, ppid, comm, args } of lasting) {
    const process = known.get(pid)!;
    expect(process).toMatchObject({ pid, ppid });
    // ps cuts names at the column's width and kworkers change theirs with the work that they do.
    if (!comm.startsWith('kworker')) expect(process.comm.startsWith(comm.slice(0, 15).trim())).toBe(true);
    if (process.cmdline && process.cmdline.length > 0)
      expect(process.cmdline.join(' ').trim()).toBe(args.trim());
    else expect(args.startsWith('[')).toBe(true);
  }
  // Nothing is invented: what ps did not list was started by the agent since.
  const listed = new Set(inside.map(({ pid }) => pid));
  const newer = seen.processes.filter(({ pid, ppid }) => !listed.has(pid) && ppid !== 2);
  expect(newer.map(({ comm }) => comm)).toEqual([]);
});

test('lsmod', async () => {
  const inside = (await guest.inside('lsmod'))
    .trim()
    .split('\n')
    .slice(1)
    .map((line) => line.split(/\s+/))
    .map(([name, size, refcount, usedBy]) => ({
      name,
      size: Number(size),
      refcount: Number(refcount),
      // lsmod reads a directory of sysfs, whose order says nothing.
      usedBy: usedBy ? usedBy.split(',').sort() : [],
    }));
  expect(inside.length).toBeGreaterThan(5);
  const modules = seen.modules.map(({ name, size, refcount, usedBy }) => ({
    ...{ name, size, refcount },
    usedBy: [...usedBy].sort(),
  }));
  expect(modules).toEqual(inside);
});

test('/proc/filesystems', async () => {
  const text = seen.fileSystemTypes.map(({ name, nodev }) => `${nodev ? 'nodev' : ''}\t${name}\n`).join('');
  expect(text).toBe(await guest.inside('proc-filesystems'));
});

test('--only shows some parts, and nothing else', async () => {
  const inspect = (...args: string[]) => bench.run('inspect', '--memory', guest.memory, ...args);
  const document = JSON.parse((await inspect('--only', 'modules,mounts', '--json')).stdout) as object;
  expect(Object.keys(document).sort()).toEqual(['modules', 'mounts', 'schemaVersion']);
  const { stdout } = await inspect('--only', 'filesystems,processes');
  expect(
    stdout
      .split('\n')
      .filter((line) => /^[A-Z]{3,}/.test(line))
      .map((line) => line.split(/ {2,}/)[0]),
  ).toEqual(['PID', 'FILE SYSTEM']);
  expectRefusal(bench, await inspect('--only', 'processes,toString'), 'USAGE', 2);
});

test('--only log is what dmesg printed', async () => {
  const inspect = ['inspect', '--memory', guest.memory, '--only', 'log', '--json'];
  const { kernelLog } = await bench.document<{ kernelLog: { level: number; text: string }[] }>(...inspect);
  const ours = kernelLog.flatMap(({ text }) => text.split('\n'));
  // The two columns before the text: level and time.
  const inside = (await guest.inside('dmesg-r')).trimEnd().split('\n');
  expect(inside.length).toBeGreaterThan(100);
  expect(ours.slice(0, inside.length)).toEqual(inside.map((line) => line.replace(/^<\d+>\[[ \d.]+\] /, '')));
});

test('--only parameters are those of /sys/module', async () => {
  const inspect = ['inspect', '--memory', guest.memory, '--only', 'parameters', '--json'];
  const { moduleParameters } = await bench.document<{
    moduleParameters: { module: string; name: string; text: string }[];
  }>(...inspect);
  const lines = (await guest.inside('module-parameters')).trimEnd().split('\n');
  const ours = moduleParameters
    .filter(({ text }) => text !== '')
    .map(({ module, name, text }) => `${module}/parameters/${name}:${text.trimEnd()}`);
  expect(ours.length).toBeGreaterThan(150);
  expect(ours.filter((line) => !lines.includes(line))).toEqual([]);
});

test('--proc prints a file of /proc, a link or the names of a directory', async () => {
  const proc = async (path: string) =>
    (await bench.run('inspect', '--memory', guest.memory, '--proc', path)).stdout;
  expect(`${await proc('/proc/modules')}\n`).toBe(await guest.inside('proc-modules'));
  expect(`${await proc('net/route')}\n`).toBe(await guest.inside('proc-net-route'));
  expect(await proc('1/root')).toBe('/');
  expect((await proc('1/task')).split('\n')).toEqual(['1']);
  const none = await bench.run('inspect', '--memory', guest.memory, '--proc', 'kcore');
  expectRefusal(bench, none, 'FILE_MISSING', 1);
  const two = await bench.run('inspect', '--memory', guest.memory, '--proc', 'kcore', '--tree', '/run');
  expectRefusal(bench, two, 'USAGE', 2);
});

test('a profile that is derived shows the same', async () => {
  const derived = await bench.document<Inspection>('inspect', '--memory', guest.memory, '--derive', '--json');
  expect(derived).toEqual(seen);
  const both = await bench.run('inspect', '--memory', guest.memory, '--derive', '--profile', 'some.json');
  expectRefusal(bench, both, 'USAGE', 2);
});
