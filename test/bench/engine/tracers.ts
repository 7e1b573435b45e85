import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { interrupted } from '../../../src/base/abort.js';
import { OuaError } from '../../../src/base/errors.js';
import { featuresOf } from '../../../src/tracer/prepare.js';
import { rowsFor } from '../../../src/tracer/syscalls.js';
import type { Sample } from '../pairs.js';
import type { Job, Order, Report } from './messages.js';
import { plannedOptions } from './options.js';

/** What a command runs under. */
export type Tracer = 'plain' | 'ours' | 'audit' | 'strace-bpf' | 'strace' | 'strace-audit';

export interface Command {
  readonly argv: readonly string[];
  /** When the engine begins to answer; strace always does at once. */
  readonly armed: Job['armed'];
  /** Number of the only processor that it and its tracer may run on. */
  readonly processor?: number;
  readonly signal: AbortSignal;
}

export interface Outcome extends Sample {
  /** All that was written to standard output and standard error. */
  readonly output: string;
}

/** A command under way. */
export interface Traced {
  /** Tells our engine which process the work begins with; the others need no word. */
  arm(pid: number): Promise<void>;
  /** @throws OuaError `HOST_FAILED` when it ends with another status than 0, `INTERRUPTED`. */
  readonly ended: Promise<Outcome>;
}

/** Starts a command under a tracer. */
export async function startUnder(tracer: Tracer, command: Command): Promise<Traced> {
  switch (tracer) {
    case 'plain':
      return new Spawned(command.argv, command);
    case 'strace':
      return new Spawned([...straceOf(false), ...command.argv], command);
    case 'strace-bpf':
      return new Spawned([...straceOf(false), '--seccomp-bpf', ...command.argv], command);
    case 'strace-audit':
      return new Spawned([...straceOf(true), '--seccomp-bpf', ...command.argv], command);
    case 'ours':
    case 'audit':
      return Engine.start(command, tracer === 'audit');
  }
}

/** Runs a command under a tracer to its end. */
export async function runUnder(tracer: Tracer, command: Command): Promise<Outcome> {
  return (await startUnder(tracer, command)).ended;
}

/** With the calls that our filter stops on in a plan; the question mark lets strace pass over those of other ABIs. */
function straceOf(audit: boolean): string[] {
  const planned = plannedOptions({ asked: 0, scripts: 0, told: 0 }, true);
  const calls = rowsFor(featuresOf({ command: [], ...planned, audit }))
    .filter((row) => row.stop !== 'never')
    .map((row) => `?${row.name}`);
  return ['strace', '-f', '-o', '/dev/null', '-e', `trace=${calls.join(',')}`, '-e', 'signal=none'];
}

/** A process in a session of its own, so that a Ctrl-C reaches us alone; it dies with us. */
function launch(
  argv: readonly string[],
  channel: readonly 'ipc'[],
  { processor, signal }: Pick<Command, 'processor' | 'signal'>,
): ChildProcess {
  if (signal.aborted) throw interrupted(signal.reason);
  const pinned = processor === undefined ? [] : ['taskset', '--cpu-list', String(processor)];
  const child = spawn('setpriv', ['--pdeathsig', 'KILL', '--', ...pinned, ...argv], {
    stdio: ['ignore', 'pipe', 'pipe', ...channel],
    detached: true,
  });
  const end = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGKILL');
  };
  signal.addEventListener('abort', end);
  child.once('close', () => signal.removeEventListener('abort', end));
  return child;
}

/** What a process writes, and its end: that of everything that holds its streams. */
function heard(child: ChildProcess, argv: readonly string[], signal: AbortSignal): Promise<string> {
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data: Buffer) => chunks.push(data));
  return once(child, 'close').then(([status]) => {
    const output = Buffer.concat(chunks).toString('latin1');
    if (signal.aborted) throw interrupted(signal.reason);
    if (status !== 0) throw failed(argv, `status ${String(status)}`, output);
    return output;
  });
}

function failed(argv: readonly string[], how: string, output: string): OuaError {
  const words = output.trim().split('\n').slice(-3).join(' / ');
  return new OuaError('HOST_FAILED', `${argv.join(' ')} ended with ${how}: ${words}`, 'see its words');
}

class Spawned implements Traced {
  readonly ended: Promise<Outcome>;

  constructor(argv: readonly string[], command: Command) {
    const started = performance.now();
    this.ended = heard(launch(argv, [], command), argv, command.signal).then((output) => ({
      seconds: (performance.now() - started) / 1000,
      output,
    }));
    this.ended.catch(() => undefined);
  }

  arm(): Promise<void> {
    return Promise.resolve();
  }
}

const engineProgram = fileURLToPath(new URL('child.js', import.meta.url));

/** The next report of a type from the engine's process; rejects when it fails or is gone. */
function told<T extends Report['type']>(child: ChildProcess, type: T): Promise<Extract<Report, { type: T }>> {
  return new Promise((resolve, reject) => {
    const gone = () => reject(new OuaError('TRACE_FAILED', 'the engine ended early', 'see its words'));
    const hear = (report: Report) => {
      if (report.type === type) resolve(report as Extract<Report, { type: T }>);
      else if (report.type === 'failed')
        reject(new OuaError('TRACE_FAILED', report.message, 'see its words'));
      else return;
      child.off('message', hear).off('disconnect', gone);
    };
    child.on('message', hear).once('disconnect', gone);
  });
}

class Engine implements Traced {
  readonly ended: Promise<Outcome>;
  readonly #child: ChildProcess;

  /** Resolves once the engine's process is up: in a plan it is there already. */
  static async start(command: Command, audit: boolean): Promise<Engine> {
    const child = launch([process.execPath, engineProgram], ['ipc'], command);
    const output = heard(child, command.argv, command.signal);
    output.catch(() => undefined);
    await told(child, 'ready');
    return new Engine(child, output, command, audit);
  }

  private constructor(child: ChildProcess, output: Promise<string>, command: Command, audit: boolean) {
    this.#child = child;
    const { argv, armed } = command;
    const started = performance.now();
    const ended = told(child, 'ended').then((report) => ({
      ...report,
      seconds: (performance.now() - started) / 1000,
    }));
    this.#send({ type: 'go', job: { command: argv, armed, audit } });
    this.ended = Promise.all([ended, output]).then(([{ exitStatus, ...sample }, output]) => {
      if (exitStatus !== 0) throw failed(argv, `status ${exitStatus}`, output);
      return { ...sample, output };
    });
    this.ended.catch(() => undefined);
  }

  async arm(pid: number): Promise<void> {
    const armed = told(this.#child, 'armed');
    this.#send({ type: 'arm', pid });
    await armed;
  }

  #send(order: Order): void {
    this.#child.send(order);
  }
}
