import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Workbench } from '../../cli/support.js';

/** Looks that the benchmark runs, says what it should and leaves nothing. How fast anything is, is not looked at. */
const main = fileURLToPath(new URL('../main.js', import.meta.url));
const keys = [
  ...[
    'apt_ratio',
    'apt_strace_ratio',
    'apt_strace_bpf_ratio',
    'apt_audit_ratio',
    'apt_audit_strace_bpf_ratio',
    'make_ratio',
    'uname_us',
    'uname_vs_floor',
  ],
  ...['forkexec_us', 'forkexec_strace_bpf_us', 'tracer_peak_mib'],
];

let bench: Workbench;
beforeAll(() => {
  bench = new Workbench(main);
});
afterAll(() => bench[Symbol.dispose]());

const cgroups = (pid: number) =>
  execFileSync('find', ['/sys/fs/cgroup', '-name', `ouassister-${pid}-*`]).toString();

type Counts = Readonly<Record<string, number>>;

interface Document {
  readonly schemaVersion: string;
  readonly machine: { readonly kernel: string; readonly cpus: number };
  readonly figures: Readonly<Record<string, number>>;
  readonly facts: { readonly apt: { readonly packages: Readonly<Record<string, string>> } };
  readonly counts: { readonly apt: { readonly ours: Counts; readonly audit: Counts } };
  readonly pairs: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>;
}

test('every work runs under every tracer, and each figure has its interval', async () => {
  const document = await bench.document<Document>('engine', '--short', '--json');
  expect(Object.keys(document.figures).sort()).toEqual(
    keys.flatMap((key) => [key, `${key}_low`, `${key}_high`]).sort(),
  );
  for (const key of keys) {
    const { [key]: value, [`${key}_low`]: low, [`${key}_high`]: high } = document.figures;
    expect(value).toBeGreaterThan(0);
    expect(low).toBeLessThanOrEqual(value!);
    expect(high).toBeGreaterThanOrEqual(value!);
  }
  const ran = Object.entries(document.pairs).map(([work, rounds]) => [
    work,
    ...rounds.map((round) => Object.keys(round).sort()),
  ]);
  expect(ran).toEqual([
    ['uname', ['floor', 'ours']],
    ['forkexec', ['ours', 'plain', 'strace-bpf']],
    ['make', ['ours', 'plain']],
    ['apt', ['audit', 'ours', 'plain', 'strace', 'strace-audit', 'strace-bpf']],
  ]);
  expect(document.facts.apt.packages).toHaveProperty('nginx-common');
  // Its scripts were asked about, and really ran.
  const { ours, audit } = document.counts.apt;
  expect(ours['scripts']).toBeGreaterThan(1);
  expect(audit['told']).toBeGreaterThan(ours['told']!);
  expect(bench.leftovers()).toEqual([]);
});

test('Ctrl-C ends it cleanly, wherever it is', async () => {
  const run = bench.start(['engine', '--short', '--pairs', '1000', '--only', 'apt']);
  await new Promise<void>((resolve) =>
    run.stderr.on('data', (data: Buffer) => {
      if (data.toString().includes('getting ready')) resolve();
    }),
  );
  await sleep(Math.random() * 20_000);
  run.kill('SIGINT');
  const { exitCode, stderr } = await run;
  expect(stderr).toContain('(INTERRUPTED)');
  expect(stderr).not.toContain('    at ');
  expect(exitCode).toBe(130);
  expect(bench.leftovers()).toEqual([]);
  expect(cgroups(run.pid!)).toBe('');
});

test.each([
  [[], 'name a benchmark'],
  [['engine', '--only', 'tea'], "there is no work 'tea'"],
  [['engine', '--pairs', '0'], '--pairs is no number of pairs'],
  [['fly'], 'Unknown'],
])('bench %j is used wrongly: %s', async (args, words) => {
  const { status, stdout, stderr } = await bench.run(...args);
  expect(stderr).toContain(words);
  expect(stdout).toBe('');
  expect(status).toBe(2);
});
