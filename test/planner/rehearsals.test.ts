import { rehearsePath, stubPath } from '../../src/sandbox/sandbox.js';
import type { LiveCalls } from '../../src/planner/live/live-calls.js';
import { Rehearsals } from '../../src/planner/rehearsals.js';
import { RunningScripts, type RunningScript } from '../../src/planner/running-scripts.js';
import { standIn } from '../../src/planner/stand-in.js';
import type { ExecStop, TraceEvent } from '../../src/tracer/tracer.js';

const script: RunningScript = { package: 'a', kind: 'postinst', args: ['configure'], step: 3 };
const [rehearser, other] = [10, 90];

/** A rehearsal that has come to its end. `onKill` gets the number of the call and what is to be killed. */
function atEnd(tells: readonly TraceEvent[], onKill: (round: number) => readonly TraceEvent[] = () => []) {
  const running = new RunningScripts();
  const done: unknown[] = [];
  const rehearsals = new Rehearsals({
    running,
    live: undefined as unknown as LiveCalls,
    discard: () => Promise.resolve(void done.push('discarded')),
    onGone: () => undefined,
  });
  const tell = (events: readonly TraceEvent[]) => events.forEach((event) => running.follow(event));
  const stop = (path: string) =>
    ({
      ...{ pid: rehearser, path: Buffer.from(path), root: Buffer.from('/'), argv: [Buffer.from('x')] },
      absolutePath: Buffer.from(path),
      quiesce: () => {
        done.push('quiet');
        tell(tells);
        return Promise.resolve();
      },
      kill: (pids: readonly number[]) => {
        done.push(pids);
        tell(pids.map((pid) => ({ type: 'exit', pid, exitStatus: 137 })));
        tell(onKill(done.length));
        return Promise.resolve();
      },
    }) as unknown as ExecStop;
  expect(rehearsals.begin(stop('/script'), script.step, standIn())).toMatchObject({ path: rehearsePath });
  running.follow({ type: 'exec', pid: rehearser, parent: 1, redirected: true }, script);
  tell([
    { type: 'fork', pid: rehearser, child: 11, thread: false },
    { type: 'fork', pid: 11, child: 12, thread: false },
    { type: 'fork', pid: 1, child: other, thread: false },
  ]);
  return { done, end: rehearsals.onExec(stop(stubPath), script) };
}

test('what is told until all stand still counts: nobody is killed who has ended, and all are who have come', async () => {
  const { done, end } = atEnd([
    { type: 'exit', pid: 11, exitStatus: 0 },
    { type: 'fork', pid: 12, child: 13, thread: false },
  ]);
  expect(await end).toEqual({ action: 'continue' });
  expect(done).toEqual(['quiet', [12, 13], 'discarded']);
});

test('when nothing is left nobody is killed', async () => {
  const { done, end } = atEnd([11, 12].map((pid) => ({ type: 'exit', pid, exitStatus: 0 })));
  expect(await end).toEqual({ action: 'continue' });
  expect(done).toEqual(['quiet', 'discarded']);
});

test('what the killed have started meanwhile is killed as well, before anything is collected', async () => {
  const { done, end } = atEnd([], (call) =>
    call === 2 ? [{ type: 'fork', pid: rehearser, child: 14, thread: false }] : [],
  );
  await end;
  expect(done).toEqual(['quiet', [11, 12], [14], 'discarded']);
});

test('what does not come to an end ends planning', async () => {
  const { done, end } = atEnd([], (call) => [
    { type: 'fork', pid: rehearser, child: 100 + call, thread: false },
  ]);
  await expect(end).rejects.toMatchObject({
    code: 'UPDATE_FAILED',
    message: 'a.postinst leaves processes that cannot be ended',
  });
  expect(done).not.toContain('discarded');
  expect(done.length).toBeLessThan(50);
});
