import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sha256OfFile } from './cache.js';
import { endMachine, machinePid, qemuArguments, type Machine } from './machine.js';
import { suspendedGuest, TemporaryLab, type SuspendedGuest } from './suspended.js';

const program = fileURLToPath(new URL('./main.js', import.meta.url));

/** Runs the lab as a user would. */
async function labCommand(...args: string[]) {
  const run = promisify(execFile);
  try {
    const { stdout, stderr } = await run(process.execPath, [program, ...args]);
    return { status: 0, stdout, stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { status: code, stdout, stderr };
  }
}

describe('the command line', () => {
  test.each([
    [[], 2, 'name a command'],
    [['up'], 2, 'Not enough non-option arguments'],
    [['up', 'x', '--disk-format', 'vmdk'], 2, 'Invalid values'],
    [['up', '../x'], 2, 'is no name for a guest'],
    [['fly', 'x'], 2, 'Unknown'],
    [['suspend', 'no-such-guest'], 1, 'there is no guest no-such-guest (FILE_MISSING)'],
    [['exec', 'no-such-guest'], 2, 'there is no program to run'],
  ])('lab %j ends with %i: %s', async (args, status, words) => {
    const result = await labCommand(...args);
    expect(result.status).toBe(status);
    expect(result.stderr).toContain(words);
    expect(result.stderr).not.toContain('    at ');
    expect(result.stdout).toBe('');
  });

  test('lab list --json prints one document', async () => {
    const result = await labCommand('list', '--json');
    expect(JSON.parse(result.stdout)).toBeInstanceOf(Array);
  });
});

test('QEMU listens on Unix sockets and the loopback interface only', () => {
  const machine: Machine = {
    name: 'x',
    memory: 512,
    cpus: 2,
    diskFormat: 'raw',
    rootUuid: 'u',
    forwardedPorts: [80, 443],
  };
  const args = qemuArguments('/folder', machine, true);
  const binding = args.filter((arg) => /server=|hostfwd|listen|vnc|tcp:/.test(arg));
  expect(binding).toEqual([
    'user,id=net0,hostfwd=tcp:127.0.0.1:0-:80,hostfwd=tcp:127.0.0.1:0-:443',
    'socket,id=agent,path=qga.sock,server=on,wait=off',
    'unix:qmp.sock,server=on,wait=off',
  ]);
});

describe('a guest', () => {
  let guest: SuspendedGuest;
  beforeAll(async () => {
    guest = await suspendedGuest();
  });

  test('is suspended with its disk, memory, state and its own words, and QEMU is gone', async () => {
    expect(guest.state).toBe('suspended');
    expect(await readdir(guest.folder)).toEqual(
      expect.arrayContaining(['disk.qcow2', 'inside', 'memory.core', 'state']),
    );
    const magic = await readFile(guest.memory).then((bytes) => bytes.subarray(0, 4));
    expect(magic.toString('latin1')).toBe('\x7fELF');
    expect(await machinePid(guest.folder)).toBeUndefined();
    expect(await guest.inside('uname-a')).toMatch(/^Linux guest \S+ .* x86_64 GNU\/Linux\n$/);
    expect(await guest.inside('ps')).toContain('systemd');
    expect(await guest.inside('proc-kallsyms')).toContain(' init_task\n');
  });

  test('resumes where it stood, runs programs, is suspended again and goes down', async () => {
    const hashes = () => Promise.all([guest.disk, guest.memory, guest.saved].map(sha256OfFile));
    const before = await hashes();
    await using lab = await TemporaryLab.open();
    await lab.copy(guest, 'twin');
    await lab.resume('twin', { paused: true });
    await expect(lab.resume('twin')).rejects.toMatchObject({ code: 'USAGE' });
    await endMachine((await lab.get('twin')).folder);
    expect((await lab.get('twin')).state).toBe('stopped');
    await lab.down('twin');

    await lab.copy(guest, 'twin');
    await lab.resume('twin');
    const bootId = await lab.exec('twin', { path: 'cat', args: ['/proc/sys/kernel/random/boot_id'] });
    expect(bootId.stdout.toString()).toBe(await guest.inside('boot_id'));
    const failed = await lab.exec('twin', { path: 'sh', args: ['-c', 'echo wrong >&2; exit 7'] });
    expect(failed).toMatchObject({ exitCode: 7, stderr: Buffer.from('wrong\n') });
    await lab.exec('twin', { path: 'touch', args: ['/run/marked'] });

    const suspended = await lab.suspend('twin');
    expect(suspended.state).toBe('suspended');
    await lab.resume('twin');
    expect((await lab.exec('twin', { path: 'test', args: ['-e', '/run/marked'] })).exitCode).toBe(0);

    const { folder } = await lab.get('twin');
    const pid = await machinePid(folder);
    await lab.down('twin');
    expect(await lab.list()).toEqual([]);
    await expect(readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')).resolves.toBe('');
    expect(await hashes()).toEqual(before);
  });

  test('has upgrades pending: real ones, or those of the local archive', async () => {
    await using lab = await TemporaryLab.open();
    await lab.copy(guest, 'twin');
    await lab.resume('twin');
    const update = await lab.exec('twin', {
      path: 'apt-get',
      args: ['update', '-o', 'Acquire::Languages=none'],
    });
    expect(update.stderr.toString() + update.stdout.toString()).not.toMatch(/^[EW]:/m);
    const simulated = await lab.exec('twin', { path: 'apt-get', args: ['-s', 'upgrade'] });
    const upgraded = [...simulated.stdout.toString().matchAll(/^Inst (\S+)/gm)].map((match) => match[1]);
    expect(upgraded).toEqual(expect.arrayContaining(['less', 'libssl3', 'openssl']));
  });
});
