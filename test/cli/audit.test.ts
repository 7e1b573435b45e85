/** A plan with its full event record, compared with dpkg's own word of what belongs to whom. */
import { PlanReader } from '../../src/plan/reader.js';
import { suspendedGuest } from '../lab/suspended.js';
import { Workbench } from './support.js';

interface Event {
  readonly kind: string;
  readonly package?: string;
  readonly path?: string;
  readonly other?: string;
  readonly script?: string;
}

let bench: Workbench;
let plan: string;
let events: Event[];
/** Package → paths, as dpkg -L said at the end of the update. */
let listed: Map<string, string[]>;

const show = async <T>(view: string, ...args: string[]) =>
  (await bench.document<Record<string, T[]>>('show', plan, `--${view}`, '--json', ...args))[view]!;

beforeAll(async () => {
  const guest = await suspendedGuest();
  bench = new Workbench();
  plan = bench.file('audited.ouplan');
  const images = ['--disk', guest.disk, '--memory', guest.memory];
  // What dpkg says goes into the plan as files of the guest: a file a package, of paths without links on the way.
  const said =
    'mkdir /var/tmp/said; for p in nginx nginx-common less; do dpkg -L $p | while read f; do ' +
    'test -d "$f" || echo "$(realpath "$(dirname "$f")")/$(basename "$f")"; done > /var/tmp/said/$p; done';
  // umount2(2) of nothing.
  const effect = `perl -e 'my $nowhere = "/nowhere"; syscall(166, $nowhere, 0)'`;
  const lines = [
    'apt-get update',
    'apt-get -y install nginx',
    'dpkg -i /var/local/archive/less_*.deb',
    said,
    effect,
  ];
  const runs = lines.flatMap((line) => ['--run', line]);
  await bench.document('plan', ...images, '-o', plan, '--audit', '--json', ...runs);
  events = await show<Event>('audit');
  const files = await show<{ path: string; content?: string }>('files');
  listed = new Map(
    files.flatMap(({ path, content }) =>
      path.startsWith('/var/tmp/said/') && content
        ? [[path.slice('/var/tmp/said/'.length), textOf(content)]]
        : [],
    ),
  );
});

afterAll(() => bench[Symbol.dispose]());

function textOf(content: string): string[] {
  using reader = PlanReader.open(plan);
  return reader.content(content).toString().trim().split('\n');
}

test('each file that a package has is in the record, put down to that package', () => {
  expect([...listed.keys()].sort()).toEqual(['less', 'nginx', 'nginx-common']);
  for (const [name, paths] of listed) {
    expect(paths.length).toBeGreaterThan(2);
    for (const path of paths) {
      // Another package's script may run it: nginx's postinst does so with nginx-common's init script.
      const changes = events.filter((event) => event.path === path && event.kind !== 'exec');
      const owners = changes.map((event) => event.package);
      expect({ path, owners: [...new Set(owners)] }).toEqual({ path, owners: [name] });
    }
  }
});

test('everything that the steps change is in the record', async () => {
  const files = await show<{ path: string; type?: string }>('files');
  const told = new Set(events.flatMap(({ path, other }) => [path, other]));
  const parents = new Set([...told].map((path) => path?.replace(/\/[^/]*$/, '')));
  expect(files.filter(({ path }) => !told.has(path) && !parents.has(path)).map(({ path }) => path)).toEqual(
    [],
  );
});

test('calls that act on the running system are in it, also when they fail', async () => {
  const effects = await show<{ what: string; path?: string }>('audit', '--kind', 'effect');
  expect(effects.map(({ what }) => what)).toContainEqual(
    expect.stringMatching(/^umount2\(2\) \(errno \d+\)$/),
  );
});

test('scripts are in it by their call, and filters keep what they say', async () => {
  const [script] = await show<{ package: string; kind: string }>('scripts');
  const name = `${script!.package}.${script!.kind}`;
  const calls = await show<Event>('audit', '--script', name, '--kind', 'exec');
  expect(calls.length).toBeGreaterThan(0);
  for (const event of calls) expect(event).toMatchObject({ script: name, package: script!.package });
  const below = await show<Event>('audit', '--path', '/var/tmp/said/', '--kind', 'create');
  expect(below.map(({ path }) => path!.slice('/var/tmp/said/'.length)).sort()).toEqual(
    [...listed.keys()].sort(),
  );
  const { stdout } = await bench.run(
    'show',
    plan,
    '--audit',
    '--kind',
    'rename',
    '--package',
    script!.package,
  );
  expect(stdout).toMatch(/^PID +PACKAGE +SCRIPT +KIND +WHAT\n/);
});
