import { openGuest } from '../../src/guest/open.js';
import { openMemory } from '../../src/memory/open.js';
import { PlanReader } from '../../src/plan/reader.js';
import { foundFiles, foundSums } from '../guest/memory-files.js';
import { memoryFiles } from '../lab/memory-files.js';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { expectRefusal, Workbench } from './support.js';

interface TreeDocument {
  readonly tree: {
    readonly path: string;
    readonly entries: readonly {
      readonly path: string;
      readonly exists: boolean;
      readonly kind?: string;
      readonly mode?: string;
      readonly uid?: number;
      readonly size?: string;
      readonly modified?: string;
      readonly target?: string | null;
      readonly xattrs?: Readonly<Record<string, string>> | null;
      readonly complete?: boolean;
    }[];
  };
}

let guest: SuspendedGuest;
let bench: Workbench;

beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
});
afterAll(() => bench[Symbol.dispose]());

const inspect = (...args: string[]) => bench.run('inspect', '--memory', guest.memory, ...args);

describe('inspect --tree', () => {
  test('lists the files that are in memory, a line for each', async () => {
    const { status, stdout, stderr } = await inspect('--tree', memoryFiles);
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    const lines = stdout.split('\n');
    const line = (path: string) => lines.find((each) => each.endsWith(` ${memoryFiles}/${path}`));
    expect(lines[0]).toMatch(/^drwxr-x--x +\d+ +0 +0 +\d+ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \/run\/lab-files$/);
    expect(line('data')).toMatch(/^-rws--x--x +3 +1234 +4294967294 +3000001 2009-02-13 23:31:30 /);
    expect(line('deep')).toMatch(/^drwxrws--T /);
    expect(line('short-link -> data')).toMatch(/^lrwxrwxrwx +1 +7 +8 /);
    expect(line('null')).toMatch(/^crw-r--r-- .* 1, 3 /);
    expect(line('fifo')).toMatch(/^prw-r--r-- /);
    expect(line('new\\x0aline')).toBeDefined();
    expect(line('huge/data')).toBeDefined();
  });

  test('gives a program all that is known', async () => {
    const { tree } = await bench.document<TreeDocument>(
      ...['inspect', '--memory', guest.memory, '--tree', `${memoryFiles}/`, '--json'],
    );
    const entry = (name: string) => tree.entries.find(({ path }) => path === `${memoryFiles}/${name}`);
    expect(tree.entries[0]).toMatchObject({ path: memoryFiles, kind: 'directory', complete: true });
    expect(entry('data')).toMatchObject({
      kind: 'file',
      mode: '4711',
      uid: 1234,
      size: '3000001',
      xattrs: {},
    });
    expect(entry('data')?.modified).toBe('2009-02-13T23:31:30.123456789Z');
    expect(entry('short-link')).toMatchObject({ kind: 'symlink', target: 'data' });
    expect(entry('attributes')?.xattrs).toMatchObject({ 'trusted.lab': 'AGH/AA==' });
    const tops = await bench.document<TreeDocument>(
      ...['inspect', '--memory', guest.memory, '--tree', '/etc', '--json'],
    );
    expect(tops.tree.entries[0]).toMatchObject({ kind: 'directory', complete: false, xattrs: null });
    expect(tops.tree.entries.some(({ exists }) => !exists)).toBe(true);
  });
});

describe('inspect --cat', () => {
  test('prints a file’s bytes as they are', async () => {
    const sums = foundSums(await guest.inside('memory-files-sums'));
    for (const name of ['data', 'sparse', 'reserved', 'huge/data']) {
      const { stdout } = await bench.through(
        'sha256sum',
        ...['inspect', '--memory', guest.memory, '--cat', `${memoryFiles}/${name}`],
      );
      expect([name, stdout.slice(0, 64)]).toEqual([name, sums.get(`${memoryFiles}/${name}`)]);
    }
  });

  test('refuses what is not all there, and says what is missing', async () => {
    const { stderr, ...result } = await inspect('--cat', await partlyCached(guest.memory));
    expectRefusal(bench, { stderr, ...result }, 'NOT_IN_MEMORY', 1);
    expect(stderr).toMatch(/memory does not have bytes \d+ to \d+ \(not cached\)/);
    expectRefusal(bench, await inspect('--cat', '/run/not-there'), 'NO_SUCH_FILE', 1);
    expectRefusal(bench, await inspect('--cat', '/run'), 'USAGE', 2);
    expectRefusal(bench, await inspect('--cat', 'run'), 'USAGE', 2);
    expectRefusal(bench, await inspect('--cat', '/run', '--tree', '/run'), 'USAGE', 2);
  });
});

/** A file of the disk of which memory has a part. */
async function partlyCached(path: string): Promise<string> {
  using memory = await openMemory(path);
  using opened = openGuest(memory);
  for (const { names, file } of opened.files.tree('/usr'))
    if (file?.content && file.content().absent.length > 0) return ['/usr', ...names].join('/');
  throw new Error('all files of /usr are in memory as a whole');
}

test('the update sees the guest’s files in memory, byte for byte, and the plan says what it does not see', async () => {
  const plan = bench.file('memory-files.ouplan');
  const find = 'find /run /mnt /dev/shm -path /run/lab-captures -prune -o';
  const list = `${find} -printf '%y %m %U %G %s %n %i %A@ %T@ %C@ %p\\0%l\\0' >/root/listing`;
  const sums = `${find} -type f -print0 | xargs -0 sha256sum -z >/root/sums`;
  const images = ['--disk', guest.disk, '--memory', guest.memory];
  await bench.document('plan', ...images, '-o', plan, '--json', '--run', list, '--run', sums, '--', 'true');

  using reader = PlanReader.open(plan);
  const written = new Map<string, string>();
  for (const step of reader.steps())
    for (const change of step.kind === 'files' ? step.changes : [])
      if (change.action === 'put' && change.state.content !== undefined)
        written.set(change.path.toString(), reader.content(change.state.content).toString('base64'));
  // What is in memory mounts is no change to replay.
  expect([...written.keys()].filter((path) => /^\/(run|mnt)/.test(path))).toEqual([]);
  const [seen, seenSums] = [foundFiles(written.get('/root/listing')!), foundSums(written.get('/root/sums')!)];
  const inside = foundFiles(await guest.inside('memory-files'));
  const insideSums = foundSums(await guest.inside('memory-files-sums'));

  const passing = /^\/run(\/lab-captures.*|\/log\/journal.*|\/systemd\/journal.*|\/qga\.state)?$/;
  const lasting = [...inside].filter(([path]) => !passing.test(path));
  expect(lasting.length).toBeGreaterThan(500);
  for (const [path, { type, mode, uid, gid, size, links, modified, target }] of lasting)
    expect([path, seen.get(path)]).toMatchObject([
      path,
      { type, mode, uid, gid, links, modified, target, ...(type === 'd' ? {} : { size }) },
    ]);
  for (const [path] of lasting)
    if (insideSums.has(path)) expect([path, seenSums.get(path)]).toEqual([path, insideSums.get(path)]);
  const extra = [...seen.keys()].filter((path) => !inside.has(path) && !passing.test(path));
  expect(extra).toEqual([]);
  expect(reader.notes().filter(({ code }) => code === 'MEMORY_FILES_LEFT_OUT')).toEqual([]);
});
