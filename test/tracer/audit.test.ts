/** The full event record: what each call of the table is told as. */
import { chmodSync, mkdtempSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { join } from 'node:path';
import type { CallEvent } from '../../src/tracer/call-event.js';
import type { CallStop, TraceEvent } from '../../src/tracer/tracer.js';
import {
  compile,
  folder,
  leftovers,
  letGo,
  natively,
  observe,
  removeFolder,
  throughEachBackend,
  until,
} from './support.js';

const calls = compile('audited');
const flood = compile('flood');
const bare = ['-m32', '-nostdlib', '-static', '-ffreestanding', '-fno-stack-protector'];
const calls32 = compile('audited-i386', bare);
chmodSync(folder, 0o755);

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

const called = (events: readonly TraceEvent[]) =>
  events.filter((event): event is CallEvent => event.type === 'call');

/** `kind call details`, paths below `cwd` without it, bytes as latin1. */
function lines(events: readonly TraceEvent[], cwd: string): string[] {
  const show = (value: unknown): string => {
    if (Buffer.isBuffer(value)) return value.toString('latin1').replace(`${cwd}/`, '').replaceAll('\0', '@');
    return typeof value === 'object' && value !== null
      ? Object.values(value).map(show).join(':')
      : String(value);
  };
  const octal = (key: string, value: unknown) =>
    key === 'mode' || key === 'flags' ? `0${Number(value).toString(8)}` : show(value);
  const common = ['type', 'pid', 'call', 'kind'];
  return called(events).map((event) => {
    const details = Object.entries(event).filter(([key]) => !common.includes(key));
    return [event.kind, event.call, ...details.map(([key, value]) => octal(key, value))].join(' ');
  });
}

const fresh = () => mkdtempSync(join(folder, 'cwd-'));

/** Every variant once, as test/tracer/fixtures/audited.c makes them. */
const expected = (pid: number, child: number) => [
  'create open made 0101 0640',
  'open-write open made 0101 0640',
  'open-write openat made 02 00',
  'create openat exclusive 0301 0600',
  'create openat2 how 0101 0604',
  'create creat created 01101 0644',
  'symlink symlink dangling dangling-target',
  'create open dangling-target 0101 0600',
  'open-write open /dev/null 0101 0600',
  'open-write openat made 02 00',
  'truncate truncate made 5',
  'truncate ftruncate made 6',
  'rename rename made renamed 00',
  'rename renameat renamed again 00',
  'rename renameat2 again how 02',
  'link link how linked',
  'symlink symlink pointer how',
  'link linkat how followed',
  'link linkat pointer pointer-too',
  'symlink symlinkat caf\xe9 \xff\xfe',
  'mkdir mkdir folder 0750',
  'mkdir mkdirat folder/inner 0700',
  'symlink symlink way folder',
  'mknod mknod folder/pipe 010600 0:0',
  'mknod mknodat folder/null 020666 1:3',
  'remove unlink linked',
  'remove unlinkat followed',
  'remove unlinkat folder/inner',
  'mkdir mkdir short 0700',
  'remove rmdir short',
  'mode chmod how 0611',
  'mode fchmod how 0612',
  'mode fchmodat how 0613',
  'mode fchmodat2 how 0614',
  'owner chown how 1 2',
  'owner lchown pointer 3 undefined',
  'owner fchown how undefined 4',
  'owner fchownat pointer 5 6',
  'owner fchownat how 7 8',
  'owner fchownat how 9 10',
  'xattr setxattr how trusted.one false',
  'xattr lsetxattr pointer trusted.two false',
  'xattr fsetxattr how trusted.three false',
  'xattr removexattr how trusted.one true',
  'xattr lremovexattr pointer trusted.two true',
  'xattr fremovexattr how trusted.three true',
  'xattr setxattrat pointer trusted.four false',
  'xattr setxattrat how trusted.five false',
  'xattr removexattrat pointer trusted.four true',
  'xattr removexattrat how trusted.five true',
  'open-write open_by_handle_at how 01 00',
  'bind bind unix:sock:false 0',
  'connect connect unix:sock:false 0',
  'connect connect unix:oua@abstract:true 111',
  'connect connect inet:127.0.0.1:1 111',
  'connect connect inet6:::1:1:0 111',
  'connect connect other:-1 14',
  ...['kill', 'tkill', 'tgkill', 'rt_sigqueueinfo', 'rt_tgsigqueueinfo', 'pidfd_send_signal'].map(
    (call) => `signal ${call} ${pid} 28`,
  ),
  `signal kill ${child} 9`,
  'mkdir mkdir jail 0755',
  'mkdir mkdir jail/sub 0755',
  'symlink symlink jail/absolute /sub',
  'create openat jail/in-root 0101 0600',
  'mkdir mkdir jail/sub/by-link 0700',
  'mkdir mkdir jail/up 0700',
  'mode chmod jail/sub/by-link 0711',
];
const [major = 0, minor = 0] = release().split('.').map(Number);
/** Whether this machine's kernel has the call: they came with Linux 6.6 and 6.13. */
const exists = (line: string) =>
  major * 100 + minor >= (line.includes('xattrat') ? 613 : line.includes('fchmodat2') ? 606 : 0);

const expected32 = [
  'create open made32 0102 0600',
  'truncate truncate made32 3',
  'truncate ftruncate made32 4',
  'truncate truncate64 made32 4294967301',
  'truncate ftruncate64 made32 6',
  'owner chown made32 1 undefined',
  'owner lchown made32 2 3',
  'owner fchown made32 undefined 4',
  'owner chown32 made32 100000 undefined',
  'owner lchown32 made32 5 6',
  'owner fchown32 made32 7 8',
  'connect socketcall inet:127.0.0.1:1 111',
  'bind socketcall unix:s32:false 0',
  'connect connect inet:127.0.0.1:1 111',
];

throughEachBackend(() => {
  test('every call is told once, as what it did, and the program notices nothing', async () => {
    const cwd = fresh();
    const { events, output, result } = await observe([calls], { audit: true, cwd });
    expect({ output, exitStatus: result.exitStatus }).toEqual({ output: '', exitStatus: 0 });
    const pid = called(events)[0]!.pid;
    const killed = events.findLast((event) => event.type === 'exit' && event.signal === 9);
    expect(lines(events, cwd)).toEqual(expected(pid, (killed as { pid: number }).pid).filter(exists));
  });

  test('the same where a handler is asked about the processes of a guest', async () => {
    const cwd = fresh();
    const asked: CallStop[] = [];
    const onCall = (call: CallStop) => {
      asked.push(call);
      return letGo();
    };
    const guest = { onCall, guestPids: [4_190_001] };
    const { events } = await observe([calls], { audit: true, cwd, ...guest });
    const told = lines(events, cwd).filter((line) => line.startsWith('signal'));
    const pid = called(events)[0]!.pid;
    const killed = events.findLast((event) => event.type === 'exit' && event.signal === 9);
    const expectedSignals = expected(pid, (killed as { pid: number }).pid).filter((line) =>
      line.startsWith('signal'),
    );
    expect(expectedSignals.length).toBeGreaterThan(5);
    expect(told).toEqual(expectedSignals);
    // Groups are the handler's to look at; what it lets go on is told as well.
    const { events: group } = await observe(['sh', '-c', 'trap : TERM; kill -TERM -$$; kill -0 $$'], {
      audit: true,
      ...guest,
    });
    expect(asked.map(({ name }) => name)).toEqual(['kill']);
    expect(called(group).filter(({ kind }) => kind === 'signal')).toHaveLength(1);
  });

  test("32-bit programs' own calls, socketcall among them", async () => {
    const cwd = fresh();
    const { events } = await observe([calls32], { audit: true, cwd });
    expect(lines(events, cwd)).toEqual(expected32);
  });
});

test('nothing is told that was not asked for', async () => {
  const { events, result } = await observe([calls], { cwd: fresh() });
  expect(called(events)).toEqual([]);
  expect(result.exitStatus).toBe(0);
});

test('a name that is a link of the path on the way is told as the directory that it leads to', async () => {
  const cwd = fresh();
  const line = 'mkdir -p usr/lib; ln -s usr/lib lib; cd lib; : > ../lib/x; mv x ../../lib/y; rm ../lib/y';
  const { events } = await observe(['sh', '-c', line], { audit: true, cwd });
  const paths = lines(events, cwd).map((told) =>
    told.split(' ').slice(0, 1).concat(told.split(' ').slice(2)).join(' '),
  );
  expect(paths).toEqual([
    'mkdir usr 0777',
    'mkdir usr/lib 0777',
    'symlink lib usr/lib',
    'create usr/lib/x 01101 0666',
    'rename usr/lib/x usr/lib/y 01',
    'remove usr/lib/y',
  ]);
});

test('events stand in the order in which things happened, with handlers in between', async () => {
  const cwd = fresh();
  const line = ': > one; /bin/true; : > two; /bin/true; rm one';
  const order: string[] = [];
  await observe(['sh', '-c', line], {
    audit: true,
    cwd,
    onExec: letGo,
    onEvent: (event) => {
      if (event.type === 'exec') order.push(String(event.call?.argv[0]));
      else if (event.type === 'call') order.push(`${event.kind} ${lines([event], cwd)[0]!.split(' ')[2]}`);
    },
  });
  expect(order).toEqual(['sh', 'create one', '/bin/true', 'create two', '/bin/true', 'rm', 'remove one']);
});

test('a process that makes events faster than they are heard waits', async () => {
  const total = 60_000;
  const file = join(fresh(), 'x'.repeat(200));
  let waited = 0;
  let heard = 0;
  await observe([flood, file, String(total)], {
    audit: true,
    onEvent: (event) => {
      if (event.type !== 'call') return;
      if (heard++ === 0) waited = standstill(() => statSync(file).size);
    },
  });
  expect(waited).toBeGreaterThan(1_000);
  expect(waited).toBeLessThan(45_000);
  expect(heard).toBe(total + 1);
});

/** What a number is once it has stood still for a second. Keeps this thread from hearing anything meanwhile. */
function standstill(read: () => number): number {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let last = -1; ;) {
    const now = read();
    if (now === last) return now;
    last = now;
    Atomics.wait(nobody, 0, 0, 1000);
  }
}

test('a crowd of processes is told whole', async () => {
  const cwd = fresh();
  const line = 'for i in $(seq 300); do (: > f$i; mv f$i g$i; rm g$i) & done; wait';
  const { events, result } = await observe(['sh', '-c', line], { audit: true, cwd });
  const kinds = called(events).filter(({ call }) => call !== 'connect');
  const count = (kind: string) => kinds.filter((event) => event.kind === kind).length;
  expect([count('create'), count('rename'), count('remove')]).toEqual([300, 300, 300]);
  expect(result.leftovers).toEqual([]);
});

test('the fixture does the same untraced', async () => {
  const { status, output } = await natively(['sh', '-c', `cd ${fresh()} && ${calls}`]);
  expect({ status, output }).toEqual({ status: 0, output: '' });
});
