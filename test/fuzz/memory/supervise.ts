import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { OuaError } from '../../../src/base/errors.js';
import type { Job, Line } from './messages.js';
import type { Round } from './round.js';

/** What ended a worker before its time. */
export interface Hang {
  readonly number: number;
  readonly kind: 'hang' | 'death';
}

export interface Supervision {
  /** Program and its first arguments; the job follows as JSON. */
  readonly command: readonly [string, ...string[]];
  readonly job: Job;
  /** How long one round may take before the worker is killed. */
  readonly patienceMs: number;
  /** How long a worker may take to get ready. */
  readonly startMs: number;
  readonly signal: AbortSignal;
  readonly onRound: (round: Round, peakBytes: number) => void;
  readonly onHang: (hang: Hang) => void;
}

/** Has a job done, by as many workers, one after the other, as it takes: each that hangs or dies is replaced. */
export async function supervise(options: Supervision): Promise<void> {
  const { job, signal } = options;
  for (let from = job.from; from < job.to && Date.now() < job.until && !signal.aborted;) {
    const ended = await runWorker(options, { ...job, from });
    if (ended === undefined || signal.aborted) return;
    options.onHang(ended);
    from = ended.number + job.step;
  }
}

/** Resolves with the round at which a worker had to be given up, or undefined when it came to its end. */
async function runWorker(
  { command: [program, ...args], patienceMs, startMs, signal, onRound }: Supervision,
  job: Job,
): Promise<Hang | undefined> {
  const child = spawn(program, [...args, JSON.stringify(job)], { stdio: ['ignore', 'pipe', 'inherit'] });
  const exit = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code));
  });
  const kill = () => void child.kill('SIGKILL');
  signal.addEventListener('abort', kill);
  let killed = false;
  const guard = (milliseconds: number) =>
    setTimeout(() => {
      killed = true;
      kill();
    }, milliseconds);
  let timer = guard(startMs);
  let number = job.from;
  let ready = false;
  try {
    for await (const text of createInterface({ input: child.stdout })) {
      clearTimeout(timer);
      timer = guard(patienceMs);
      const line = JSON.parse(text) as Line;
      ready = true;
      if (line.type !== 'round') continue;
      onRound(line.round, line.peakBytes);
      number = line.round.number + job.step;
    }
    const code = await exit;
    if (!ready && !signal.aborted)
      throw new OuaError('HOST_FAILED', 'a worker of the fuzz run does not start', 'see what it says');
    if (killed) return { number, kind: 'hang' };
    return code === 0 ? undefined : { number, kind: 'death' };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', kill);
    kill();
  }
}
