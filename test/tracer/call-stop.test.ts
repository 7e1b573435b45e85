/** Calls that name a process of the guest: who is asked about what, and what the caller gets. */
import { constants } from 'node:os';
import type { CallDecision, CallStop, TraceOptions } from '../../src/tracer/tracer.js';
import { call, callsCommand, results, type Call } from './calls.js';
import {
  compile,
  leftovers,
  observe,
  removeFolder,
  start,
  until,
  withCode,
  throughEachBackend,
} from './support.js';

const { EPERM, ESRCH, EFAULT, ECHILD, EBADF, EINVAL } = constants.errno;

/** Pids that no host gives out. */
const guestPids = [4_190_002, 4_190_001, 4_190_003];
const [daemon = 0] = guestPids;

const standIn = compile('stand-in');

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

/** A handler that keeps what it is asked: name, first arguments, and the process of a descriptor. */
function asking(decide: (call: CallStop) => CallDecision): Partial<TraceOptions> & { asked: unknown[][] } {
  const asked: unknown[][] = [];
  const onCall = (call: CallStop) => {
    asked.push([call.name, call.int(0), call.int(1), call.target]);
    return decide(call);
  };
  return { onCall, guestPids, asked };
}
const answer = (result: number) => () => ({ action: 'answer', result }) as const;

throughEachBackend(() => {
  test('every call that names a process of the guest is asked about, in order', async () => {
    const calls: Call[] = [
      ['kill', daemon, 1],
      ['tkill', daemon, 2],
      ['tgkill', 7, daemon, 3],
      ['rt_sigqueueinfo', daemon, 4, '@128'],
      ['rt_tgsigqueueinfo', 7, daemon, 5, '@128'],
      ['getpgid', daemon],
      ['getsid', daemon],
      ['getpriority', 0, daemon],
      ['getpriority', 1, 77],
      ['getpriority', 2, 0],
      ['setpriority', 0, daemon, 5],
      ['sched_getparam', daemon, '@4'],
      ['sched_setparam', daemon, '@4'],
      ['sched_getscheduler', daemon],
      ['sched_setscheduler', daemon, 0, '@4'],
      ['sched_getattr', daemon, '@56', 56, 0],
      ['sched_setattr', daemon, '@56', 0],
      ['sched_rr_get_interval', daemon, '@16'],
      ['prlimit64', daemon, 7, 0, '@16'],
      ['ioprio_get', 1, daemon],
      ['ioprio_set', 1, daemon, 4],
      ['kill', -5, 6],
      ['pidfd_open', daemon, 0],
    ];
    for (const bits of [64, 32] as const) {
      const handler = asking(answer(11));
      expect(await results(calls, handler, bits)).toEqual(calls.map(() => 11));
      expect(handler.asked.map(([name]) => name)).toEqual(calls.map(([name]) => name));
      expect(handler.asked[2]).toEqual(['tgkill', 7, daemon, undefined]);
    }
  });

  test('calls on oneself, on processes of the run and on nobody are the kernel’s', async () => {
    const calls: Call[] = [
      ['getpgid', 0],
      ['kill', 'self', 0],
      ['kill', 'child', 0],
      ['kill', 'zombie', 0],
      ['sched_getscheduler', 'child'],
      ['kill', 4_190_900, 0],
      ['getpriority', 0, 0],
      ['prlimit64', 0, 7, 0, 0],
      ['pidfd_open', 'child', 0],
      ['pidfd_send_signal', '$8', 9, 0, 0],
      ['waitid', 3, '$8', '@128', 4],
    ];
    const handler = asking(answer(11));
    const [group, ...rest] = await results(calls, handler);
    expect(group).toBeGreaterThan(0);
    expect(rest).toEqual([0, 0, 0, 0, -ESRCH, 20, 0, expect.any(Number), 0, 0]);
    expect(handler.asked).toEqual([]);
  });

  test('answers carry data, failures their errno, and a bad pointer is EFAULT', async () => {
    const bytes = Buffer.from('cafe', 'hex');
    const handler = asking(({ name }) =>
      name === 'getsid'
        ? { action: 'fail', errno: EPERM }
        : { action: 'answer', result: 5, data: { argument: 1, bytes } },
    );
    const calls: Call[] = [
      ['sched_getparam', daemon, '@4'],
      ['sched_getparam', daemon, 'bad'],
      ['getsid', daemon],
    ];
    expect(await call(calls, handler)).toEqual([
      { result: 5, buffers: [Buffer.from('cafe0000', 'hex')] },
      { result: -EFAULT, buffers: [] },
      { result: -EPERM, buffers: [] },
    ]);
  });

  test('what is continued is the kernel’s answer', async () => {
    const handler = asking(() => ({ action: 'continue' }));
    expect(await results([['kill', daemon, 0]], handler)).toEqual([-ESRCH]);
    expect(handler.asked).toHaveLength(1);
  });

  test('a handler reads arguments and the caller’s ids', async () => {
    const seen: unknown[] = [];
    const handler = asking((call) => {
      const value = [call.compat, call.read(1, 4)?.toString('hex'), call.isNull(1), call.uids()];
      seen.push(value);
      return { action: 'answer', result: 0 };
    });
    const calls: Call[] = [
      ['sched_setparam', daemon, '=01020304'],
      ['sched_setparam', daemon, 0],
      ['sched_setparam', daemon, 'bad'],
    ];
    await results(calls, handler);
    await results(calls.slice(0, 1), handler, 32);
    const ids = [process.getuid?.(), process.geteuid?.()];
    expect(seen).toEqual([
      [false, '01020304', false, ids],
      [false, undefined, true, ids],
      [false, undefined, false, ids],
      [true, '01020304', false, ids],
    ]);
  });

  test.each([64, 32] as const)('a stand-in of %i bits is known by its descriptor', async (bits) => {
    const handler = asking((call) => {
      if (call.name === 'pidfd_open') return { action: 'stand-in', pid: call.int(0), flags: 0o2000000 };
      return call.name === 'waitid' ? { action: 'fail', errno: ECHILD } : { action: 'answer', result: 0 };
    });
    const calls: Call[] = [
      ['pidfd_open', daemon, 0],
      ['pidfd_send_signal', '$0', 15, 0, 0],
      ['waitid', 3, '$0', '@128', 4],
      ['pidfd_send_signal', 1, 15, 0, 0],
      ['pidfd_getfd', 99, 1, 0],
    ];
    const [descriptor, ...rest] = await results(calls, handler, bits);
    expect(descriptor).toBeGreaterThan(2);
    expect(rest).toEqual([0, -ECHILD, -EBADF, -EBADF]);
    expect(handler.asked.slice(1)).toEqual([
      ['pidfd_send_signal', descriptor, 15, daemon],
      ['waitid', 3, descriptor, daemon],
    ]);
  });

  test('a stand-in goes through dup, fork, exec and a socket, and leaves the registers', async () => {
    const handler = asking((call) =>
      call.name === 'pidfd_open'
        ? { action: 'stand-in', pid: call.int(0), flags: 0 }
        : { action: 'answer', result: call.target === daemon ? 0 : -EINVAL },
    );
    const { output } = await observe([standIn, String(daemon)], handler);
    expect(output).toBe('registers kept\nnot readable\ndup 0\nfork 0\nsocket 0\nexec 0\n');
  });

  test('killed while it waits for a decision, a caller is just dead', async () => {
    let release = () => {};
    const released = new Promise<void>((resolve) => (release = resolve));
    const asked: number[] = [];
    const observation = start(
      ['sh', '-c', `"$@" & wait $!; echo $?`, 'sh', ...callsCommand([['getsid', daemon]])],
      {
        guestPids,
        onCall: async ({ pid }) => {
          asked.push(pid);
          await released;
          return { action: 'answer', result: 1 };
        },
      },
    );
    await until(() => asked.length > 0);
    process.kill(asked[0]!, 'SIGKILL');
    await until(() => observation.output() !== '');
    release();
    const { output, result } = await observation.finish();
    expect(output).toMatch(/^137$/m);
    expect(result.exitStatus).toBe(0);
  });

  test('what a handler throws ends the run', async () => {
    const handler = asking(() => {
      throw new Error('no');
    });
    await expect(results([['getsid', daemon]], handler)).rejects.toEqual(withCode('TRACE_FAILED'));
  });

  test('a thousand calls from several processes are all answered', async () => {
    const handler = asking(answer(0));
    const command = callsCommand(Array.from({ length: 50 }, () => ['kill', daemon, 1] as const));
    const line = 'for i in 1 2 3 4 5 6 7 8 9 10; do "$@" & "$@" & wait; done';
    const { output } = await observe(['sh', '-c', line, 'sh', ...command], handler);
    expect(output).toBe('0\n'.repeat(1000));
    expect(handler.asked).toHaveLength(1000);
  });
});
