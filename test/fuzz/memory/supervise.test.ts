import type { Job } from './messages.js';
import { Summary } from './summary.js';
import { supervise } from './supervise.js';

/** A worker that does rounds at once, but hangs at number 4 and dies at number 7. */
const program = `
  const job = JSON.parse(process.argv[1]);
  const tell = (line) => require('fs').writeSync(1, JSON.stringify(line) + '\\n');
  tell({ type: 'ready' });
  for (let number = job.from; number < job.to; number += job.step) {
    if (number === 4) for (;;);
    if (number === 7) process.kill(process.pid, 'SIGKILL');
    tell({ type: 'round', peakBytes: 3 << 20, round: { number, kind: 'some', what: '', outcome: 'refused', words: '', seconds: 0.25 } });
  }
`;

const job: Job = { image: '', seed: 1, from: 0, step: 1, to: 10, until: Number.MAX_SAFE_INTEGER };

function run(worker: string, summary: Summary, signal = new AbortController().signal) {
  return supervise({
    command: [process.execPath, '-e', worker],
    job,
    patienceMs: 1500,
    startMs: 60_000,
    signal,
    onRound: (round, peakBytes) => summary.addRound(round, peakBytes),
    onHang: (hang) => summary.addHang(hang, 1.5),
  });
}

test('a worker that hangs or dies is counted and replaced', async () => {
  const summary = new Summary();
  await run(program, summary);
  expect(summary.figures).toEqual({
    mutations: 10,
    crashes: 1,
    hangs: 1,
    wrong_answers: 0,
    slowest_s: 1.5,
    peak_mib: 3,
  });
  expect(summary.kinds).toEqual({ some: { refused: 8 } });
  expect(summary.failures.map(({ number, outcome }) => [number, outcome])).toEqual([
    [4, 'hang'],
    [7, 'death'],
  ]);
});

test('a worker that does not start ends the run', async () => {
  await expect(run('process.exit(3)', new Summary())).rejects.toMatchObject({ code: 'HOST_FAILED' });
});

test('an abort ends the worker', async () => {
  const controller = new AbortController();
  const summary = new Summary();
  const hanging = program.replace('=== 4', '=== 2').replace('for (;;)', 'for (;;) {}');
  const ended = supervise({
    command: [process.execPath, '-e', hanging],
    job,
    patienceMs: 60_000,
    startMs: 60_000,
    signal: controller.signal,
    onRound: ({ number }) => number === 1 && controller.abort(),
    onHang: (hang) => summary.addHang(hang, 60),
  });
  await ended;
  expect(summary.failures).toEqual([]);
});
