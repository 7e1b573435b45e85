import { sha256OfFile } from '../lab/cache.js';
import { suspendedGuest, TemporaryLab, type SuspendedGuest } from '../lab/suspended.js';
import { Workbench } from './support.js';

interface Script {
  readonly path: string;
  readonly argv: readonly string[];
  readonly package: string;
  readonly environment: readonly string[];
}

const install = ['apt-get', '-y', 'install', 'nginx'];

let guest: SuspendedGuest;
let bench: Workbench;
let plan: string;
let hashes: string[];

beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
  plan = bench.file('nginx.ouplan');
  hashes = await Promise.all([guest.disk, guest.memory].map(sha256OfFile));
  const images = ['--disk', guest.disk, '--memory', guest.memory];
  await bench.document('plan', ...images, '-o', plan, '--json', '--run', 'apt-get update', '--', ...install);
});

afterAll(() => bench[Symbol.dispose]());

test('not one byte of the guest’s disk and memory is written', async () => {
  expect(await Promise.all([guest.disk, guest.memory].map(sha256OfFile))).toEqual(hashes);
});

test('nothing is left on the host', () => {
  expect(bench.leftovers()).toEqual([]);
});

test('the packages are those that apt names, newly installed', async () => {
  const { packages } = await bench.document<{ packages: { name: string; from?: string; to?: string }[] }>(
    ...['show', plan, '--packages', '--json'],
  );
  expect(packages.map(({ name }) => name)).toEqual(expect.arrayContaining(['nginx', 'nginx-common']));
  for (const { from, to } of packages) {
    expect(from).toBeUndefined();
    expect(to).toMatch(/^\d/);
  }
});

test('what was read of /proc is in the plan with its readers', async () => {
  const { proc } = await bench.document<{ proc: { path: string; reader: string; found: boolean }[] }>(
    ...['show', plan, '--proc', '--json'],
  );
  const readers = (path: string) =>
    proc.filter((read) => read.path === path && read.found).map(({ reader }) => reader);
  expect(readers('/proc/filesystems')).toContain('dpkg');
  expect(readers('/proc/sys/kernel/ngroups_max')).toContain('apt-get');
  expect(proc.some(({ path }) => path.startsWith('/proc/self'))).toBe(true);
});

test('databases are merged with what the guest makes of them meanwhile, their backups are not', async () => {
  const { files } = await bench.document<{ files: { path: string; action: string; merge?: string }[] }>(
    ...['show', plan, '--files', '--json'],
  );
  const merges = (path: string) =>
    new Set(files.filter((file) => file.path === path).map(({ merge }) => merge));
  expect(merges('/var/lib/dpkg/status')).toEqual(new Set(['status']));
  expect(merges('/var/lib/dpkg/status-old')).toEqual(new Set([undefined]));
});

test('scripts run in a clean environment that dpkg has added to', async () => {
  const { scripts } = await bench.document<{ scripts: Script[] }>('show', plan, '--scripts', '--json');
  for (const script of scripts) {
    expect(script.environment).toContain(`DPKG_MAINTSCRIPT_PACKAGE=${script.package}`);
    expect(script.environment).toContain('DEBIAN_FRONTEND=noninteractive');
    expect(script.environment.join('\n')).not.toContain(bench.scratch);
  }
});

test('either way through the native boundary gives the same plan', async () => {
  const command = ['sh', '-c', 'dpkg -i /var/local/archive/*.deb'];
  const [koffi, ffiRs] = await Promise.all(
    ['koffi', 'ffi-rs'].map(async (backend) => {
      const output = bench.file(`${backend}.ouplan`);
      const args = ['plan', '--disk', guest.disk, '--memory', guest.memory, '-o', output, '--', ...command];
      const { exitCode, stderr } = await bench.start(args, { OUASSISTER_FFI: backend });
      expect({ backend, exitCode, stderr: exitCode === 0 ? '' : stderr }).toEqual({
        backend,
        exitCode: 0,
        stderr: '',
      });
      const { scripts } = await bench.document<{ scripts: Script[] }>('show', output, '--scripts', '--json');
      const { files } = await bench.document<{ files: { path: string; action: string }[] }>(
        'show',
        output,
        '--files',
        '--json',
      );
      return { scripts, files: files.map(({ path, action }) => `${action} ${path}`) };
    }),
  );
  expect(koffi!.scripts.length).toBeGreaterThan(2);
  expect(ffiRs).toEqual(koffi);
});

test.each(['split', 'defer'])(
  '%s in phases: scripts before files, one file set, scripts after them',
  async (policy) => {
    const output = bench.file(`${policy}.ouplan`);
    const images = ['--disk', guest.disk, '--memory', guest.memory];
    const command = ['--run', 'apt-get update', '--', ...install];
    const result = await bench.document<{ order: string; policy: string; steps: number }>(
      ...['plan', ...images, '-o', output, '--order', 'phases', '--policy', policy, '--json', ...command],
    );
    expect(result).toMatchObject({ order: 'phases', policy });
    const { steps } = await bench.document<{ steps: { kind: string; what: string }[] }>(
      ...['show', output, '--steps', '--json'],
    );
    expect(steps).toHaveLength(result.steps);
    const scripts = steps.map(({ what }) => /^\S+ (pre|post)(inst|rm) /.exec(what)?.[1]);
    const first = scripts.indexOf('post');
    expect(scripts.lastIndexOf('pre')).toBeLessThan(first);
    // Offline scripts need no copy; a deferred one of a package that is unpacked has one, which goes again.
    const kinds = steps.map(({ kind }) => kind);
    const early = kinds.slice(0, first);
    expect(early).toEqual(policy === 'split' ? ['script', 'files'] : ['files', 'script', 'files', 'files']);
    expect(kinds.slice(first)).not.toContain('files');
    expect(kinds.filter((kind) => kind === 'action')).toHaveLength(policy === 'split' ? 4 : 0);

    const { stdout } = await bench.run('show', output);
    expect(stdout).toContain(`${policy}, order phases (for comparison only`);
  },
);

test('a finished plan is not overwritten', async () => {
  const before = await sha256OfFile(plan);
  const images = ['--disk', guest.disk, '--memory', guest.memory];
  const { status, stderr } = await bench.run('plan', ...images, '-o', plan, '--', 'true');
  expect(stderr).toContain('[FILE_EXISTS]');
  expect(status).toBe(1);
  expect(await sha256OfFile(plan)).toBe(before);
});

test('script calls are those of dpkg -D2 for the same install inside a copy of the guest, in its order', async () => {
  await using lab = await TemporaryLab.open();
  await lab.copy(guest, 'copy');
  await lab.resume('copy');
  const shell = async (line: string) => {
    const { exitCode, stdout, stderr } = await lab.exec('copy', { path: '/bin/sh', args: ['-c', line] });
    expect({ line, exitCode, stderr: exitCode === 0 ? '' : stderr.toString() }).toEqual({
      line,
      exitCode: 0,
      stderr: '',
    });
    return stdout.toString();
  };
  await shell('apt-get -q update');
  const log = await shell(`DEBIAN_FRONTEND=noninteractive ${install.join(' ')} -o DPkg::Options::=-D2 2>&1`);
  // "D000002: fork/exec /var/lib/dpkg/info/nginx.postinst ( configure  )"
  const inside = [...log.matchAll(/^D000002: fork\/exec (\S+) \((.*)\)$/gm)].map(([, path, args]) => [
    path,
    args!.trim().split(/\s+/).filter(Boolean).join(' '),
  ]);
  const { scripts } = await bench.document<{ scripts: Script[] }>('show', plan, '--scripts', '--json');
  const planned = scripts.map(({ path, argv }) => [path, argv.slice(1).filter(Boolean).join(' ')]);
  expect(inside.length).toBeGreaterThan(2);
  expect(planned).toEqual(inside);
});
