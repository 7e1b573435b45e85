import { Attribution } from '../../src/planner/attribution.js';
import { DpkgWork, type DpkgWorkOptions } from '../../src/planner/package-managers/dpkg/work.js';
import type { TraceEvent } from '../../src/tracer/tracer.js';

const bytes = (text: string) => Buffer.from(text);
const exec = (pid: number, ...argv: string[]): TraceEvent => ({
  type: 'exec',
  pid,
  parent: 1,
  redirected: false,
  call: { sequence: 0, path: bytes(argv[0]!), absolutePath: bytes(argv[0]!), argv: argv.map(bytes) },
});
const fork = (pid: number, child: number): TraceEvent => ({ type: 'fork', pid, child, thread: false });
const file = { type: 'call', call: 'open', flags: 0o301, mode: 0 } as const;

/** dpkg is process 2, and a helper of its 3. */
class Bench {
  readonly corrections: string[] = [];
  readonly #attribution: Attribution;

  constructor(options: DpkgWorkOptions = {}) {
    const onCorrection = (wrong: string, right: string) => this.corrections.push(`${wrong} ${right}`);
    this.#attribution = new Attribution([new DpkgWork({ onCorrection, ...options })]);
    this.follow(exec(1, '/usr/bin/apt-get'), fork(1, 2), exec(2, '/usr/bin/dpkg', '--unpack'));
  }

  follow(...events: TraceEvent[]): void {
    for (const event of events) this.#attribution.follow(event);
  }

  open(archive: string): void {
    this.follow(fork(2, 3), exec(3, '/usr/bin/dpkg-deb', '--fsys-tarfile', archive));
    this.follow({ type: 'exit', pid: 3, exitStatus: 0 });
  }

  script(kind: 'preinst' | 'postinst' | 'prerm' | 'postrm', name: string, word: string): void {
    this.follow(fork(2, 4));
    this.#attribution.follow(exec(4, `/var/lib/dpkg/info/${name}.${kind}`, word), {
      kind,
      package: name,
      step: 7,
      args: [word],
    });
  }

  creates = (path: string, pid = 2) =>
    this.#attribution.ofCall({ ...file, kind: 'create', pid, path: bytes(path) });
  renames = (from: string, path: string) =>
    this.#attribution.ofCall({
      type: 'call',
      call: 'rename',
      kind: 'rename',
      pid: 2,
      from: bytes(from),
      path: bytes(path),
      flags: 0,
    });
  removes = (path: string) =>
    this.#attribution.ofCall({ type: 'call', call: 'unlink', kind: 'remove', pid: 2, path: bytes(path) });
}

const archives = '/var/cache/apt/archives';

test('what dpkg unpacks is of the package whose archive it has opened', () => {
  const bench = new Bench();
  bench.open(`${archives}/libc6_2%3a2.36-9_amd64.deb`);
  expect(bench.creates('/usr/lib/libc.so.6.dpkg-new')).toEqual({ package: 'libc6' });
  bench.open(`${archives}/python3.11_3.11.2-6_amd64.deb`);
  expect(bench.creates('/usr/bin/python3.11.dpkg-new')).toEqual({ package: 'python3.11' });
  expect(bench.creates('/var/lib/dpkg/tmp.ci/control')).toEqual({ package: 'python3.11' });
});

test('a configuration file is of the package that it was unpacked with, whoever is configured', () => {
  const bench = new Bench();
  bench.open(`${archives}/a_1_all.deb`);
  bench.creates('/etc/a.conf.dpkg-new');
  bench.open(`${archives}/b_1_all.deb`);
  bench.creates('/etc/b.conf.dpkg-new');
  bench.follow(exec(2, '/usr/bin/dpkg', '--configure', '-a'));
  bench.script('postinst', 'b', 'configure');
  expect(bench.renames('/etc/a.conf.dpkg-new', '/etc/a.conf')).toEqual({ package: 'a' });
  expect(bench.renames('/etc/b.conf.dpkg-new', '/etc/b.conf')).toEqual({ package: 'b' });
});

test("an archive's name that lies is corrected by the package's list", () => {
  const bench = new Bench();
  bench.open('/tmp/download.deb');
  expect(bench.creates('/etc/x.dpkg-new')).toEqual({ package: 'download' });
  expect(bench.corrections).toEqual([]);
  bench.renames('/var/lib/dpkg/info/real:amd64.list-new', '/var/lib/dpkg/info/real:amd64.list');
  expect(bench.corrections).toEqual(['download real']);
  expect(bench.renames('/etc/x.dpkg-new', '/etc/x')).toEqual({ package: 'real' });
});

test('a script and what runs below it have their step; dpkg inside it is not dpkg at work', () => {
  const bench = new Bench();
  bench.script('postinst', 'nginx', 'configure');
  const owner = { step: 7, package: 'nginx' };
  expect(bench.creates('/run/x', 4)).toEqual(owner);
  bench.follow(fork(4, 5), exec(5, '/usr/bin/dpkg', '--compare-versions', '1', 'lt', '2'));
  expect(bench.creates('/tmp/x', 5)).toEqual(owner);
});

test('what is removed was of the package that had it, else of the one whose script ran', () => {
  const bench = new Bench({ installed: (path) => (path === '/usr/bin/tool' ? 'tool' : undefined) });
  expect(bench.removes('/usr/bin/tool')).toEqual({ package: 'tool' });
  expect(bench.removes('/usr/share/doc')).toEqual({});
  bench.script('prerm', 'other', 'remove');
  expect(bench.removes('/usr/share/doc')).toEqual({ package: 'other' });
  expect(bench.removes('/usr/bin/tool')).toEqual({ package: 'tool' });
});

test("dpkg's own files are of the package in their name, or of none", () => {
  const bench = new Bench();
  bench.open(`${archives}/a_1_all.deb`);
  expect(bench.creates('/var/lib/dpkg/info/libstdc++6:amd64.md5sums')).toEqual({ package: 'libstdc++6' });
  expect(bench.creates('/var/lib/dpkg/info/python3.11.list-new')).toEqual({ package: 'python3.11' });
  expect(bench.creates('/var/lib/dpkg/status-new')).toEqual({});
  expect(bench.creates('/var/log/dpkg.log')).toEqual({});
});

test('what is not below dpkg or a script is of nobody', () => {
  const bench = new Bench();
  expect(bench.creates('/var/log/apt/history.log', 1)).toEqual({});
  expect(bench.creates('/anything', 99)).toEqual({});
});
