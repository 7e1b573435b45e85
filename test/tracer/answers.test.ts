/** What the engine answers instead of the kernel, and for whom. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { packUts } from '../../src/emulate/uts.js';
import { guestUts } from './guest-uts.js';
import {
  compile,
  environment,
  folder,
  leftovers,
  letGo,
  natively,
  observe,
  removeFolder,
  start,
  uname,
  until,
  withCode,
  throughEachBackend,
} from './support.js';

const unameProgram = compile('uname');
const spawn = compile('spawn');
const ownFilter = compile('own-filter');
const refused = compile('refused');
const personality = compile('personality', []);
const readlink = compile('readlink', []);
const i386 = compile('i386', ['-m32', '-nostdlib', '-static', '-ffreestanding', '-fno-stack-protector']);

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

const guestLine = Object.values(guestUts).join('|');

throughEachBackend((backend) => {
  test("uname is the guest's, and fails where the kernel's fails", async () => {
    const { output, result } = await observe([unameProgram], { uname });
    expect(output).toBe(`${guestLine}\n14 14 14\n`);
    expect(result.counts.answered).toBeGreaterThanOrEqual(4);
  });

  test('under the personality of 32 bits the machine is another, for children, too', async () => {
    const { output } = await observe([unameProgram, 'linux32'], { uname });
    expect(output.trim().split('\n')).toEqual([guestLine, guestLine.replace('x86_64', 'i686')]);
    const inherited = await observe(['setarch', 'linux32', 'sh', '-c', 'uname -m; uname -m | cat'], {
      uname,
    });
    expect(inherited.output).toBe('i686\ni686\n');
  });

  test('under every personality each kind of uname writes the very bytes that the kernel writes', async () => {
    const sysctl = (name: string) => readFileSync(`/proc/sys/kernel/${name}`, 'utf8').trimEnd();
    const host = packUts({
      sysname: sysctl('ostype'),
      nodename: sysctl('hostname'),
      release: sysctl('osrelease'),
      version: sysctl('version'),
      machine: 'x86_64',
      domainname: sysctl('domainname'),
    });
    const { output, result } = await observe([personality], { uname: host });
    expect(output).toBe((await natively([personality])).output);
    expect(result.counts.answered).toBe(16);
  });

  test('the personality of 2.6 is followed, by children, too', async () => {
    const { output } = await observe(['setarch', '--uname-2.6', 'sh', '-c', 'uname -r | cat'], { uname });
    expect(output).toBe('2.6.61-99-cloud-amd64\n');
  });

  test('32-bit programs get all three kinds, the oldest cut to eight bytes', async () => {
    const { output } = await observe([i386], { uname });
    expect(output).toBe('Linux|suspended|x86_64\nLinux|suspended|x86_64\nLinux|suspende|x86_64\nfrom i386\n');
  });

  test.each(['fork', 'vfork', 'clone3', 'thread', 'posix_spawn'])(
    "a child by %s gets the guest's",
    async (way) => {
      const { output } = await observe([spawn, way, '/bin/uname', '-n'], { uname });
      expect(output).toBe('suspended\n');
    },
  );

  test("a tracee's own filter neither hides uname nor is undone", async () => {
    expect((await observe([ownFilter], { uname })).output).toBe('getppid 71 uname suspended\n');
    expect((await observe([ownFilter, 'uname-too'], { uname })).output).toBe('getppid 71 uname 72\n');
  });

  test('ptrace and io_uring are refused', async () => {
    expect((await observe([refused])).output).toBe('ptrace 1 io_uring_setup 38\n');
  });

  test("a run without answers has the host's names", async () => {
    expect((await observe(['/bin/uname', '-n'], { onExec: letGo })).output).toBe(`${hostname()}\n`);
  });

  test('armed later: a tracee sees the host until its first exec after it was armed', async () => {
    const gate = join(folder, `gate-${backend}`);
    execFileSync('mkfifo', [gate]);
    const line = `uname -n; echo $$; read go < ${gate}; exec sh -c 'uname -n; (uname -n); exit 6'`;
    const observation = start(['sh', '-c', `sh -c "$LINE" & wait $!; s=$?; uname -n; exit $s`], {
      uname,
      onExec: letGo,
      armed: 'later',
      environment: { ...environment, LINE: line },
    });
    await until(() => observation.output().split('\n').length > 2);
    expect(observation.stops).toEqual([]);
    const pid = Number(observation.output().split('\n')[1]);
    await observation.run.arm(pid);
    writeFileSync(gate, 'go\n');
    const { output, stops, result } = await observation.finish();
    expect(output).toBe(`${hostname()}\n${pid}\nsuspended\nsuspended\n${hostname()}\n`);
    expect(stops.map((stop) => String(stop.path))).toEqual([
      '/usr/bin/sh',
      '/usr/bin/uname',
      '/usr/bin/uname',
    ]);
    expect(stops[0]?.pid).toBe(pid);
    expect(result.exitStatus).toBe(6);
  });

  test('armed later: the armed process may outlive the command, and is what the run waits for', async () => {
    const gate = join(folder, `late-${backend}`);
    execFileSync('mkfifo', [gate]);
    const observation = start(
      ['sh', '-c', `sh -c 'read go < ${gate}; exec sh -c "uname -n; exit 4"' & echo $!`],
      {
        uname,
        armed: 'later',
      },
    );
    expect(await observation.run.command).toEqual({ exitStatus: 0 });
    // What it said travels on its own.
    while (observation.output() === '') await sleep(10);
    await observation.run.arm(Number(observation.output()));
    writeFileSync(gate, 'go\n');
    const { output, result } = await observation.finish();
    expect(output).toMatch(/^\d+\nsuspended\n$/);
    expect(result).toMatchObject({ exitStatus: 4, leftovers: [] });
  });

  test('only a tracee can be armed', async () => {
    const { run } = start(['sleep', '0.2'], { armed: 'later' });
    await run.started;
    await expect(run.arm(1)).rejects.toEqual(withCode('TRACE_FAILED'));
    expect(await run.result).toMatchObject({ exitStatus: 0 });
    await expect(run.arm(1)).rejects.toEqual(withCode('TRACE_FAILED'));
  });

  test('readlink of a hidden procfs gives the true target, of other processes and inside a chroot', async () => {
    const hidden = '/proc/hidden/real';
    const link = (name: string, text: string) =>
      `ln -sfn ${text} ${folder}/${name}; readlink ${folder}/${name}`;
    const line = [
      `mkdir -p ${folder}/longer ${folder}/dead`,
      `cd /usr/lib`,
      link('exe', `${hidden}/$$/exe`),
      link('cwd', `${hidden}/$$/cwd`),
      link('root', `${hidden}/$$/root`),
      link('other', `${hidden}/$$/fd`),
      link('mine', `${hidden}/$$/exe`),
      link('longer/exe', `${hidden}/$$/exe.not`),
      link('dead/exe', `${hidden}/4194303/exe`),
      `echo end`,
    ].join('; ');
    const { output } = await observe(['sh', '-c', line], { hiddenProc: hidden });
    const shell = execFileSync('readlink', ['-f', '/bin/sh'], { encoding: 'utf8' }).trim();
    const lines = output.split('\n');
    expect(lines.slice(0, 3)).toEqual([shell, '/usr/lib', '/']);
    expect(lines[3]).toMatch(/^\/proc\/hidden\/real\/\d+\/fd$/);
    // A link by another name is a program's own.
    expect(lines[4]).toMatch(/^\/proc\/hidden\/real\/\d+\/exe$/);
    expect(lines[5]).toMatch(/^\/proc\/hidden\/real\/\d+\/exe\.not$/);
    expect(lines.slice(6)).toEqual(['end', '']);
  });

  test('a buffer too small for the hidden name holds the beginning of the true target', async () => {
    const small = mkdtempSync(join(folder, 'small-'));
    const link = join(small, 'exe');
    const hidden = '/proc/hidden/real';
    const { output } = await observe([readlink, link, hidden, readlink], { hiddenProc: hidden });
    const refusals = ['no buffer: EFAULT', 'no room: EINVAL', 'less than no room: EINVAL', 'no link: ENOENT'];
    expect(output).toBe([...refusals, '0 wrong', ''].join('\n'));
  });
});
