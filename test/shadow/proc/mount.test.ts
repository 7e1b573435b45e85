import { execFile, execFileSync, spawn, type ChildProcess } from 'node:child_process';
import {
  closeSync,
  existsSync,
  lstatSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmdirSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { ResourceStack } from '../../../src/base/resources.js';
import { backendNames, loadShim } from '../../../src/native/shim.js';
import { mountShadowProc, type ShadowProc } from '../../../src/shadow/proc/mount.js';
import { packTree } from '../../../src/shadow/proc/pack.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';
import { fixtureGuest } from './fixture-guest.js';

const run = promisify(execFile);
const withCode = (code: string) => expect.objectContaining({ code }) as unknown as Error;

const mountPoints = () =>
  readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4]);
const openFiles = () => readdirSync('/proc/self/fd').length;
const serverThreads = () =>
  readdirSync('/proc/self/task').filter(
    (tid) => readFileSync(`/proc/self/task/${tid}/comm`, 'utf8') === 'oua-proc\n',
  ).length;

let stack: ResourceStack;
let directory: string;
beforeEach(() => {
  stack = new ResourceStack();
  directory = mkdtempSync(join(tmpdir(), 'ouassister-proc-'));
  stack.defer(() => rmdirSync(directory));
});
afterEach(() => stack[Symbol.asyncDispose]());

async function mount(): Promise<ShadowProc> {
  return stack.use(await mountShadowProc({ guest: fixtureGuest(), directory }));
}
const at = (path: string) => join(directory, path);

describe.each(backendNames)('through %s', (backend) => {
  test('mounts, logs and unmounts', async () => {
    const shadow = await mountShadowProc({ guest: fixtureGuest(), directory, shim: loadShim(backend) });
    expect(readFileSync(at('uptime'), 'utf8')).toBe('104.34 47.04\n');
    expect(readFileSync(`/proc/self/task/${shadow.thread}/comm`, 'utf8')).toBe('oua-proc\n');
    expect(shadow.reads()).toContainEqual(expect.objectContaining({ path: '/proc/uptime', found: true }));
    await shadow[Symbol.asyncDispose]();
    expect(readdirSync(directory)).toEqual([]);
    expect(shadow.reads()).toHaveLength(1);
  });
});

describe('programs see', () => {
  test('files, read by cat to their end though their size is 0', async () => {
    await mount();
    const { stdout } = await run('cat', [at('1/stat'), at('version'), at('1/cmdline')]);
    expect(stdout).toMatch(/^1 \(systemd\) S 0 1 [\s\S]*\nLinux version 6\.1\.0[\s\S]*\n\/sbin\/init\0$/);
    expect(statSync(at('1/stat'))).toMatchObject({ size: 0, blksize: 1024, uid: 0 });
  });

  test('no process that is hidden, and what they have open of it', async () => {
    const shadow = await mount();
    const open = openSync(at('1/comm'), 'r');
    const before = readdirSync(directory);
    shadow.hide(new Set([1]));
    expect(readdirSync(directory)).toEqual(before.filter((name) => name !== '1'));
    expect(existsSync(at('1'))).toBe(false);
    expect(readFileSync(open, 'utf8')).toBe('systemd\n');
    closeSync(open);
    shadow.hide(new Set());
    expect(readdirSync(directory)).toEqual(before);
    expect(existsSync(at('1/comm'))).toBe(true);
    expect(() => shadow.hide(new Set([4_000_000]))).toThrow(
      expect.objectContaining({ code: 'ESRCH' }) as Error,
    );
  });

  test('parts of a file, as pread(2) asks for them', async () => {
    await mount();
    const text = readFileSync(at('1/status'));
    const { stdout } = await run('dd', [`if=${at('1/status')}`, 'bs=7', 'skip=3', 'status=none'], {
      encoding: 'buffer',
    });
    expect(stdout).toEqual(text.subarray(21));
  });

  test('a listing with the pids in order and without what is hidden', async () => {
    await mount();
    const names = (await run('ls', ['-U', directory])).stdout.trim().split('\n');
    expect(names.slice(-3)).toEqual(['1', '10', '512']);
    expect(names).toContain('filesystems');
    expect(names).not.toContain('.ouassister');
    expect(names).not.toContain('.tracee');
    expect(statSync(at('.ouassister/real')).isDirectory()).toBe(true);
    expect(statSync(at('.ouassister/stub')).isFile()).toBe(true);
    expect(existsSync(at('.tracee'))).toBe(false);
  });

  test('owners, modes and the time of the suspend', async () => {
    await mount();
    expect(lstatSync(at('512'))).toMatchObject({ uid: 101, gid: 201, mode: 0o40555 });
    expect(lstatSync(at('512/comm'))).toMatchObject({ uid: 101, gid: 201, mode: 0o100644 });
    expect(lstatSync(at('mounts'))).toMatchObject({ mode: 0o120777 });
    expect(lstatSync(at('version')).mtimeMs).toBe(1_795_458_502_000);
  });

  test('all of it as any user', async () => {
    await mount();
    const asNobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', 'cat', at('512/status')];
    expect((await run('setpriv', asNobody)).stdout).toContain('Pid:\t512\n');
  });

  test('a whole tree that find can walk', async () => {
    await mount();
    const { stdout } = await run('find', [directory, '-name', 'disable_ipv6', '-o', '-name', 'stat']);
    expect(stdout.trim().split('\n').sort()).toEqual(
      ['1/stat', '1/task/1/stat', '10/stat', '512/stat', 'stat', 'sys/net/ipv6/conf/all/disable_ipv6']
        .map(at)
        .sort(),
    );
  });

  test('a fresh UUID at each read', async () => {
    await mount();
    const uuids = Array.from({ length: 20 }, () => readFileSync(at('sys/kernel/random/uuid'), 'utf8'));
    expect(new Set(uuids).size).toBe(20);
    for (const uuid of uuids)
      expect(uuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n$/);
  });

  test('more processes than one getdents call holds', async () => {
    const [first] = fixtureGuest().processes();
    const many = Array.from({ length: 5000 }, (_, index) => ({ ...first!, pid: 3 * index + 1 }));
    stack.use(await mountShadowProc({ guest: fixtureGuest({ processes: () => many }), directory }));
    const pids = readdirSync(directory).filter((name) => /^\d+$/.test(name));
    expect(pids.sort((a, b) => Number(a) - Number(b))).toEqual(many.map(({ pid }) => String(pid)));
  });
});

test('nothing can be written, and each attempt is told apart from a read', async () => {
  const shadow = await mount();
  expect(() => writeFileSync(at('sys/kernel/pid_max'), '1')).toThrow('EROFS');
  expect(() => openSync(at('sys/kernel/hostname'), 'r+')).toThrow('EROFS');
  expect(() => writeFileSync(at('sys/kernel/new'), '1')).toThrow('EACCES');
  expect(() => writeFileSync(at('.ouassister/sys/module/new'), '1')).toThrow('EACCES');
  // What a thread tries is its process's.
  await expect(writeFile(at('.ouassister/sys/class/new'), '1')).rejects.toThrow('EACCES');
  await expect(run('mkdir', [at('new')])).rejects.toThrow('Operation not permitted');
  await expect(run('rm', ['-f', at('version')])).rejects.toThrow('Operation not permitted');
  await expect(run('chmod', ['600', at('version')])).rejects.toThrow('Operation not permitted');
  await expect(run('ln', ['-s', 'x', at('new')])).rejects.toThrow('Operation not permitted');
  await expect(run('mv', [at('version'), at('uptime')])).rejects.toThrow('Operation not permitted');
  expect(shadow.takeRefusedWrites(process.pid)).toEqual([
    '/proc/sys/kernel/pid_max',
    '/proc/sys/kernel/hostname',
    '/proc/sys/kernel/new',
    '/sys/module/new',
    '/sys/class/new',
  ]);
});

test('readers at the same time get whole files', async () => {
  await mount();
  const script = `for i in $(seq 100); do cat "$1/1/status" "$1/version" "$1/sys/net/ipv6/conf/all/disable_ipv6"; ls "$1"; done | sha256sum`;
  const results = await Promise.all(
    Array.from({ length: 6 }, () => run('sh', ['-c', script, 'sh', directory])),
  );
  expect(new Set(results.map(({ stdout }) => stdout)).size).toBe(1);
});

test('10,000 opens leave no descriptor behind', async () => {
  await mount();
  readFileSync(at('version'));
  const before = openFiles();
  for (let i = 0; i < 10_000; i++) closeSync(openSync(at(i % 2 ? '1/stat' : 'sys/kernel/ostype'), 'r'));
  expect(openFiles()).toBe(before);
});

describe('the log', () => {
  test('names path, reader and outcome, and what was only stepped through is not in it', async () => {
    const shadow = await mount();
    await run('cat', [at('filesystems')]);
    await run('test', ['-d', at('sys/net/ipv6')]);
    await run('readlink', [at('1/root')]);
    await run('cat', [at('kcore')]).catch(() => undefined);
    await run('cat', [at('self/nothing')]).catch(() => undefined);
    expect(shadow.reads()).toEqual([
      { path: '/proc/filesystems', reader: 'cat', count: 1, found: true },
      { path: '/proc/kcore', reader: 'cat', count: 1, found: false },
      { path: '/proc/self', reader: 'cat', count: 1, found: true },
      // No sandbox is attached: nobody has a directory.
      { path: expect.stringMatching(/^\/proc\/\d+$/) as string, reader: 'cat', count: 1, found: false },
      // What may still turn out to be a step to something else comes last.
      { path: '/proc/sys/net/ipv6', reader: 'test', count: 1, found: true },
      { path: '/proc/1/root', reader: 'readlink', count: 1, found: true },
    ]);
    expect(shadow.lost).toBe(0);
  });

  test('drops what nobody drains in time, counts it, and goes on; refused writes have room of their own', () => {
    const shim = loadShim();
    const packed = packTree(renderTree(fixtureGuest()), 0);
    const handle = shim.oua_proc_start(directory, packed, packed.length);
    const buffer = Buffer.alloc(2 << 20);
    /** How many look-ups and writes were dropped, and how many bytes and of what the rest is. */
    const drain = () => {
      const used = shim.oua_proc_drain(handle, buffer, buffer.length);
      const counts = { lookups: 0, writes: 0 };
      for (let at = 16; at < used; at += buffer.readUInt16LE(at))
        counts[buffer.readUInt8(at + 2) === 6 ? 'writes' : 'lookups']++;
      const lost = [0, 8].map((at) => Number(buffer.readBigUInt64LE(at)));
      return { ...counts, used, lostLookups: lost[0]!, lostWrites: lost[1]! };
    };
    const name = 'x'.repeat(250);
    const write = () => expect(() => openSync(at(name), 'w')).toThrow('EACCES');
    try {
      for (let i = 0; i < 5000; i++) existsSync(at(name));
      // Each looks the name up as well.
      for (let i = 0; i < 500; i++) write();
      const first = drain();
      expect(first.used).toBeLessThanOrEqual(16 + (1 << 20));
      expect(first).toMatchObject({ writes: 500, lostWrites: 0 });
      expect(first.lookups + first.lostLookups).toBe(5500);
      expect(first.lostLookups).toBeGreaterThan(0);
      for (let i = 0; i < 6000; i++) write();
      const second = drain();
      expect(second.writes + second.lostWrites).toBe(6000);
      expect(second.lostWrites).toBeGreaterThan(0);
      existsSync(at('after'));
      expect(drain()).toMatchObject({ lookups: 1, writes: 0, lostLookups: 0, lostWrites: 0 });
      expect(buffer.toString('latin1', 16)).toMatch(/^.{8}[^a]*after/);
      expect(shim.oua_proc_drain(handle, buffer, 100)).toBe(-22);
    } finally {
      expect(shim.oua_proc_stop(handle)).toBe(0);
      expect(shim.oua_proc_stop(handle)).toBe(-9);
    }
  });
});

/** A shell in a pid namespace of its own with the shadow proc on /proc, as the sandbox has it. */
class Sandbox implements AsyncDisposable {
  readonly #process: ChildProcess;

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  static async start(where: string): Promise<Sandbox> {
    const process = spawn('unshare', ['--mount', '--pid', '--fork', '--kill-child', 'sh'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const sandbox = new Sandbox(process);
    // Pids above the guest's highest, as the sandbox has them.
    await sandbox.sh('echo 600 > /proc/sys/kernel/ns_last_pid');
    await sandbox.sh(
      `mount -t proc -o subset=pid proc ${where}/.ouassister/real && mount --rbind ${where} /proc`,
    );
    return sandbox;
  }

  /** Its first process, by its number here. */
  get pid(): number {
    const pid = this.#process.pid ?? 0;
    return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8'));
  }

  /** Runs a line and returns what it prints. */
  async sh(line: string): Promise<string> {
    let text = '';
    this.#process.stdin?.write(`${line}\necho; echo end-of-output\n`);
    while (!text.endsWith('\nend-of-output\n')) {
      const [chunk] = (await once(this.#process.stdout!, 'data')) as [Buffer];
      text += chunk.toString();
    }
    return text.slice(0, -'\nend-of-output\n'.length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await ended;
  }
}

describe('callers', () => {
  test('outside of any sandbox find themselves by their number', async () => {
    await mount();
    expect(readlinkSync(at('self'))).toBe(String(process.pid));
    expect(readlinkSync(at('thread-self'))).toMatch(new RegExp(`^${process.pid}/task/\\d+$`));
  });

  test('in a pid namespace find themselves, their threads and their magic links', async () => {
    const shadow = await mount();
    const sandbox = stack.use(await Sandbox.start(directory));
    shadow.attach(sandbox.pid);
    const sh = (line: string) => sandbox.sh(`cd /proc; ${line}`);

    // The shell itself is pid 1 there, and pid 1 is the guest's.
    expect(await sh('cat 1/comm')).toBe('systemd\n');
    expect(await sh('readlink self')).toMatch(/^\d+\n$/);
    expect(await sh('sh -c \'test "$(readlink self)" != $$ && exec readlink self\'')).toMatch(/^\d+\n$/);
    expect(await sh(`sh -c 'echo $$; exec readlink self' | uniq | wc -l`)).toBe('1\n');
    expect(await sh("sh -c 'echo $$/task/$$; exec readlink thread-self' | uniq | wc -l")).toBe('1\n');
    expect(await sh(`sh -c 'echo $$; exec cut -d" " -f1 self/stat' | uniq | wc -l`)).toBe('1\n');
    expect(await sh(`sh -c 'exec readlink self/exe'`)).toMatch(/^\/proc\/\.ouassister\/real\/\d+\/exe\n$/);
    expect(await sh(`readlink -f self/exe`)).toMatch(/\/readlink\n$|\/coreutils\n$/);
    expect(await sh('echo through | cat self/fd/0')).toBe('through\n');
    expect(await sh(`sh -c 'exec cat self/task/[0-9]*/comm'`)).toBe('cat\n');
    expect(await sh('cat thread-self/comm')).toBe('cat\n');
    expect(await sh(`sh -c 'exec ls self/task/[0-9]*/' | grep -cx -e task -e stat`)).toBe('1\n');
    expect(await sh('cat self/mounts')).toBe(readFileSync(at('1/mounts'), 'utf8'));
    expect(await sh('cat mounts thread-self/mountinfo')).toBe(
      readFileSync(at('1/mounts'), 'utf8') + readFileSync(at('1/mountinfo'), 'utf8'),
    );
    expect(await sh('cat self/cgroup')).toBe('0::/init.scope\n');
    expect(await sh('cd net && ls -d tcp unix')).toBe('tcp\nunix\n');
    expect(await sh('echo 5 > self/oom_score_adj; cat self/oom_score_adj')).toBe('5\n');
  });

  test('find the live processes of the sandbox among the pids of the guest', async () => {
    const shadow = await mount();
    const sandbox = stack.use(await Sandbox.start(directory));
    shadow.attach(sandbox.pid);
    const listing = await sandbox.sh('sleep 100 & ls -U /proc');
    const pids = listing
      .split('\n')
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
    expect(pids.slice(0, 3)).toEqual([1, 10, 512]);
    expect(pids).toEqual([...pids].sort((a, b) => a - b));
    expect(pids.length).toBeGreaterThanOrEqual(4);
    const sleeper = (await sandbox.sh(`for p in /proc/*/comm; do grep -l sleep $p; done`)).split('/').at(-2);
    expect(Number(sleeper)).toBeGreaterThan(512);
    expect(pids).toContain(Number(sleeper));
    await sandbox.sh(`kill ${sleeper}; wait`);
    expect(existsSync(at(String(sleeper)))).toBe(false);
    expect(shadow.reads()).toContainEqual({
      path: '/proc/[pid]/comm',
      reader: 'grep',
      count: 1,
      found: true,
    });
  });

  test('must have their procfs in place', async () => {
    const shadow = await mount();
    expect(() => shadow.attach(process.pid, directory.slice(1))).toThrow(withCode('SANDBOX_FAILED'));
    expect(() => shadow.attach(4_194_303)).toThrow(withCode('SANDBOX_FAILED'));
  });
});

describe('the end', () => {
  test('leaves no mount, thread or descriptor', async () => {
    const before = openFiles();
    const shadow = await mountShadowProc({ guest: fixtureGuest(), directory });
    readFileSync(at('version'));
    expect(mountPoints()).toContain(directory);
    expect(serverThreads()).toBe(1);
    await shadow[Symbol.asyncDispose]();
    await shadow[Symbol.asyncDispose]();
    expect(mountPoints()).not.toContain(directory);
    expect(serverThreads()).toBe(0);
    expect(openFiles()).toBe(before);
  });

  test('comes also while files are open and another namespace has the mount: they get an error', async () => {
    const shadow = await mountShadowProc({ guest: fixtureGuest(), directory });
    const sandbox = stack.use(await Sandbox.start(directory));
    shadow.attach(sandbox.pid);
    const file = openSync(at('version'), 'r');
    try {
      await shadow[Symbol.asyncDispose]();
      expect(mountPoints()).not.toContain(directory);
      expect(serverThreads()).toBe(0);
      expect(() => readFileSync(file)).toThrow('ENOTCONN');
    } finally {
      closeSync(file);
    }
    expect(await sandbox.sh(`cat /proc/version 2>&1`)).toContain('not connected');
  });

  test('a killed server leaves errors, not waiting readers', async () => {
    const server = spawn(process.execPath, [fileURLToPath(new URL('server.js', import.meta.url)), directory]);
    await once(server.stdout, 'data');
    try {
      expect(readFileSync(at('1/comm'), 'utf8')).toBe('systemd\n');
      const ended = once(server, 'exit');
      server.kill('SIGKILL');
      await ended;
      expect(() => readFileSync(at('1/comm'))).toThrow('ENOTCONN');
    } finally {
      execFileSync('umount', [directory]);
    }
  });

  test('a killed server in a mount namespace of its own leaves nothing', async () => {
    const server = spawn('unshare', [
      '--mount',
      process.execPath,
      fileURLToPath(new URL('server.js', import.meta.url)),
      directory,
    ]);
    await once(server.stdout, 'data');
    expect(existsSync(at('1'))).toBe(false);
    const ended = once(server, 'exit');
    server.kill('SIGKILL');
    await ended;
    expect(mountPoints()).not.toContain(directory);
  });
});

describe('is refused', () => {
  test('on a directory that is not there, with nothing left behind', async () => {
    const before = openFiles();
    await expect(mountShadowProc({ guest: fixtureGuest(), directory: at('missing') })).rejects.toThrow(
      withCode('HOST_UNSUPPORTED'),
    );
    expect(openFiles()).toBe(before);
    expect(serverThreads()).toBe(0);
  });

  test('once the signal is aborted', async () => {
    const options = { guest: fixtureGuest(), directory, signal: AbortSignal.abort() };
    await expect(mountShadowProc(options)).rejects.toThrow(withCode('INTERRUPTED'));
    expect(mountPoints()).not.toContain(directory);
  });

  test('when too many are mounted, and possible again after one has ended', async () => {
    const places = Array.from({ length: 17 }, () => mkdtempSync(join(tmpdir(), 'ouassister-proc-')));
    const shadows: ShadowProc[] = [];
    try {
      for (const place of places.slice(0, 16))
        shadows.push(await mountShadowProc({ guest: fixtureGuest(), directory: place }));
      const one = { guest: fixtureGuest(), directory: places[16]! };
      await expect(mountShadowProc(one)).rejects.toThrow(/EMFILE/);
      await shadows.pop()?.[Symbol.asyncDispose]();
      shadows.push(await mountShadowProc(one));
    } finally {
      for (const shadow of shadows) await shadow[Symbol.asyncDispose]();
      for (const place of places) rmdirSync(place);
    }
  });
});
