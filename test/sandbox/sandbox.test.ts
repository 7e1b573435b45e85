import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as fs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { openDisk } from '../../src/disk/open.js';
import { createSandbox, type SandboxOptions } from '../../src/sandbox/sandbox.js';
import { ChangeCollector } from '../../src/shadow/fs/collector.js';
import { openShadowFs } from '../../src/shadow/fs/open.js';
import { leftovers, makeFileSystem, run, sparseFile, temporaryDirectory } from '../disk/images.js';

const probe = fileURLToPath(new URL('../../../test/sandbox/probe.c', import.meta.url));
const lastPid = 20_000;

let folder: { path: string } & Disposable;
const file = (name: string) => join(folder.path, name);
const cgroups = () => run('find', '/sys/fs/cgroup', '-name', `ouassister-${process.pid}-*`);

beforeAll(() => {
  folder = temporaryDirectory();
  for (const directory of ['proc', 'sys', 'dev', 'etc', 'tmp'])
    fs.mkdirSync(file(`tree/${directory}`), { recursive: true });
  run('cc', '-O', '-static', '-D_GNU_SOURCE', '-o', file('tree/probe'), probe);
  fs.copyFileSync(file('tree/probe'), file('tree/setuid-probe'));
  fs.chownSync(file('tree/setuid-probe'), 1234, 1234);
  fs.chmodSync(file('tree/setuid-probe'), 0o4755);
  fs.symlinkSync('/etc/debian_version', file('tree/etc/version'));
  fs.writeFileSync(file('secret'), 'of the host');
  sparseFile(file('disk.raw'), 64 << 20);
  makeFileSystem(file('disk.raw'), { tree: file('tree'), size: 64 << 20 });
});
afterAll(() => folder[Symbol.dispose]());
afterEach(() => {
  expect(leftovers(folder.path)).toEqual([]);
  expect(cgroups()).toBe('');
  expect(fs.readdirSync(folder.path).filter((name) => name.startsWith('ouassister-'))).toEqual([]);
});

interface Outcome {
  readonly output: string;
  readonly status: number;
  readonly changes: readonly string[];
}

/** Runs a command in a fresh shadow of the test's guest, without a tracer. */
async function runInside(options: Partial<SandboxOptions>): Promise<Outcome> {
  await using disk = await openDisk(file('disk.raw'), { scratch: folder.path });
  await using shadow = await openShadowFs({ disk, scratch: folder.path, limit: 64 << 20 });
  const collector = new ChangeCollector(shadow);
  await using sandbox = await createSandbox({
    root: shadow.root,
    command: ['/probe'],
    hostname: 'guest',
    lastPid,
    scratch: folder.path,
    ...options,
  });
  const output = fs.openSync(file('output'), 'w+');
  try {
    const [program, ...args] = sandbox.launcher;
    const [launched] = (await once(spawn(program!, args, { stdio: ['ignore', output, output] }), 'exit')) as [
      number,
    ];
    if (launched !== 0) throw sandbox.failure();
    const pid = sandbox.prepare();
    await collector.baseline();
    await sandbox.start();
    const status = await ended(pid);
    const changes = (await collector.collect(() => Promise.resolve())).map(({ path }) => path.toString());
    return { output: fs.readFileSync(file('output'), 'utf8'), status, changes };
  } finally {
    fs.closeSync(output);
  }
}

/** The exit status of a process that is not our child: a zombie still shows it. */
async function ended(pid: number): Promise<number> {
  let status = 0;
  for (;;) {
    const stat = fs.existsSync(`/proc/${pid}/stat`) ? fs.readFileSync(`/proc/${pid}/stat`, 'latin1') : '';
    if (stat === '') return status;
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    if (fields[0] === 'Z' || fields[0] === 'X') {
      status = Number(fields[49]) >> 8;
      return status;
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

function results(output: string): Record<string, string> {
  return Object.fromEntries(
    output
      .trim()
      .split('\n')
      .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).trim()]),
  );
}

test('a hostile program finds the guest and nothing of the host', async () => {
  const { dev } = fs.statSync(folder.path);
  const environment = {
    SECRET: file('secret'),
    MAJOR: String((dev >>> 8) & 0xfff),
    MINOR: String((dev & 0xff) | ((dev >>> 12) & 0xfff00)),
  };
  const { output, changes } = await runInside({ environment });
  const found = results(output);
  expect(Number(found['pid'])).toBeGreaterThan(lastPid);
  expect(found['root']!.split(' ').sort()).toEqual(
    ['dev', 'etc', 'lost+found', 'probe', 'proc', 'setuid-probe', 'sys', 'tmp'].sort(),
  );
  expect(found['proc']!.split(' ').every((name) => /^\d+$|self$/.test(name))).toBe(true);
  expect(found).toMatchObject({
    hostname: 'guest',
    cwd: '/',
    umask: '22',
    sys: '',
    'host-file': 'ENOENT',
    climb: 'ENOENT',
    'pid1-root': 'ENOENT',
    'disk-in-dev': 'EPERM',
    'disk-in-tree': 'EACCES',
    'disk-in-shm': 'EACCES',
    mount: 'EPERM',
    'user-namespace': 'EPERM',
    'mount-namespace': 'EPERM',
    'sock-diag': 'EAFNOSUPPORT',
    vsock: 'EAFNOSUPPORT',
    keyring: 'ENOSYS',
    bpf: 'EPERM',
    'io-uring': 'ENOSYS',
    reboot: 'EPERM',
    'dev-null': '0',
    log: '5',
    'shm-mode': String(0o1777),
    'resolv-write': 'EROFS',
    setuid: '1234',
  });
  expect(found['fds']!.split(' ').length).toBeLessThanOrEqual(4);
  expect(changes).toEqual(['/disk']);
});

test('our /proc takes the place of the launcher’s, which goes below it', async () => {
  fs.mkdirSync(file('proc/.ouassister/real'), { recursive: true });
  fs.mkdirSync(file('proc/.ouassister/sys/module'), { recursive: true });
  fs.writeFileSync(file('proc/.ouassister/stub'), '');
  fs.writeFileSync(file('proc/ours'), '');
  // The launcher's child looks at its own descriptors before it runs anything.
  fs.symlinkSync('.ouassister/real/self', file('proc/self'));
  const { output } = await runInside({
    proc: file('proc'),
    environment: { SECRET: '/x', MAJOR: '1', MINOR: '1' },
  });
  const found = results(output);
  expect(found['proc']!.split(' ').sort()).toEqual(['ours', 'self']);
  expect(found).toMatchObject({
    'pid1-root': 'ENOENT',
    'stub-write': 'EROFS',
    'stub-mode': 'EROFS',
    'stub-link': 'EXDEV',
    // It runs: that is looked at before the mount's rights.
    'init-write': 'ETXTBSY',
    'init-mode': 'EROFS',
  });
  expect(fs.readdirSync(file('proc/.ouassister/real'))).toEqual([]);
});

test('the exit status is the command’s, 127 when there is none', async () => {
  expect((await runInside({ environment: { SECRET: '/x', MAJOR: '1', MINOR: '1' } })).status).toBe(7);
  const { status, output } = await runInside({ command: ['no-such-program'] });
  expect(status).toBe(127);
  expect(output).toContain('no-such-program: No such file or directory');
});

test('an empty cgroup that a killed run left behind goes with the next one', async () => {
  const hierarchy = fs.existsSync('/sys/fs/cgroup/pids') ? '/sys/fs/cgroup/pids' : '/sys/fs/cgroup';
  const dead = spawn('true');
  await once(dead, 'exit');
  const stale = join(hierarchy, `ouassister-${dead.pid}-0`);
  fs.mkdirSync(stale);
  await runInside({ command: ['/probe', 'uid'] });
  expect(fs.existsSync(stale)).toBe(false);
});

test('a launcher that fails says why, and leaves nothing', async () => {
  await using sandbox = await createSandbox({
    root: file('none'),
    command: ['/probe'],
    hostname: 'guest',
    lastPid,
    scratch: folder.path,
  });
  const [program, ...args] = sandbox.launcher;
  const [status] = (await once(spawn(program!, args, { stdio: 'ignore' }), 'exit')) as [number];
  expect(status).not.toBe(0);
  expect(sandbox.failure()).toMatchObject({
    code: 'SANDBOX_FAILED',
    message: expect.stringMatching(/none/) as string,
  });
  expect(() => sandbox.prepare()).toThrow(expect.objectContaining({ code: 'SANDBOX_FAILED' }) as Error);
});
