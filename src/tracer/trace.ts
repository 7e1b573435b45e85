import { MessageChannel, Worker, type MessagePort } from 'node:worker_threads';
import { OuaError } from '../base/errors.js';
import { ResourceStack } from '../base/resources.js';
import { loadShim } from '../native/shim.js';
import { HeldCall } from './call-stop.js';
import type { Decision } from './carry-out.js';
import type { Job, Order, Report } from './messages.js';
import { prepare } from './prepare.js';
import { EventRecord, eventKind } from './records.js';
import type { SyscallRow } from './row.js';
import { HeldExec } from './stop.js';
import { decodeEvents } from './told.js';
import type { Exit, TraceOptions, TraceResult, TraceRun } from './tracer.js';

/** Milliseconds after an order to kill by which the tracing thread must have ended. */
const endLimit = 15_000;

/**
 * Runs a command with everything that it starts under the tracer, and returns at once.
 *
 * The command gets a session of its own. As root it can run setuid programs as ever; without the right to
 * install a filter otherwise, it runs with no_new_privs. Nothing of it survives this process.
 *
 * A call that is blocked in the kernel when `quiesce` stops its process begins again afterwards, save the few
 * that any stop ends with EINTR, signal(7).
 *
 * @example
 * let programs = 0;
 * const run = trace({ command: ['make'], onEvent: (event) => { if (event.type === 'exec') programs++; } });
 * const { exitStatus } = await run.result;
 */
export function trace(options: TraceOptions): TraceRun {
  return new Run(options);
}

class Deferred<T> {
  resolve!: (value: T) => void;
  reject!: (reason: unknown) => void;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    // Callers wait for the promises that they need; when a run fails, all of them reject with its reason.
    this.promise.catch(() => undefined);
  }
}

class Run implements TraceRun {
  readonly #options: TraceOptions;
  readonly #started = new Deferred<number>();
  readonly #command = new Deferred<Exit>();
  readonly #result = new Deferred<TraceResult>();
  /** By the id of the order. */
  readonly #armings = new Map<number, { readonly pid: number; readonly armed: Deferred<void> }>();
  /** By the shim's number of the stop. */
  readonly #quiesces = new Map<number, Deferred<void>>();
  readonly #port: MessagePort;
  readonly #workerPort: MessagePort;
  #nextArming = 0;
  #shimRun: number | undefined;
  /** Why we, or the tracing thread, end the run. */
  #reason: unknown;
  #end: Extract<Report, { type: 'end' }> | undefined;
  #worker: Worker | undefined;
  #guard: NodeJS.Timeout | undefined;
  #handedOver: (() => void) | undefined;
  #rows: readonly SyscallRow[] = [];
  #over = false;

  constructor(options: TraceOptions) {
    this.#options = options;
    ({ port1: this.#port, port2: this.#workerPort } = new MessageChannel());
    this.#drive().then(
      (result) => this.#result.resolve(result),
      (reason: unknown) => this.#rejectAll(reason),
    );
  }

  get started(): Promise<number> {
    return this.#started.promise;
  }

  get command(): Promise<Exit> {
    return this.#command.promise;
  }

  get result(): Promise<TraceResult> {
    return this.#result.promise;
  }

  arm(pid: number): Promise<void> {
    const armed = new Deferred<void>();
    const id = this.#nextArming++;
    this.#armings.set(id, { pid, armed });
    if (this.#over) this.#settleArming(id, false);
    else this.#order({ type: 'arm', id, pid });
    return armed.promise;
  }

  async #drive(): Promise<TraceResult> {
    const { signal } = this.#options;
    const abort = () => this.#stop(interrupted());
    signal?.addEventListener('abort', abort);
    try {
      await using resources = new ResourceStack();
      resources.defer(() => this.#port.close());
      if (signal?.aborted) throw interrupted();
      const { job, rows, handedOver } = prepare(this.#options, resources);
      this.#handedOver = handedOver;
      this.#rows = rows;
      await this.#runWorker({ ...job, port: this.#workerPort });
      // A reason of ours comes before what ended because of it.
      if (this.#reason !== undefined) throw asOuaError(this.#reason);
      return this.#outcome();
    } finally {
      this.#over = true;
      clearTimeout(this.#guard);
      signal?.removeEventListener('abort', abort);
      this.#forgetShimRun();
    }
  }

  /** Resolves when the thread is gone and everything that it said has been heard. */
  async #runWorker(job: Job): Promise<void> {
    // Its functions have to be known to the process before a second thread calls them, see src/native/ffi-rs.ts.
    loadShim(job.backend);
    const worker = new Worker(new URL('./worker.js', import.meta.url), {
      workerData: job,
      transferList: [job.port],
      // Node's own options may be such as a worker refuses, --input-type for one.
      execArgv: [],
    });
    this.#worker = worker;
    this.#port.on('message', (report: Report) => this.#hear(report));
    worker.on('error', (error) => (this.#reason ??= error));
    await Promise.all([
      new Promise((resolve) => worker.once('exit', resolve)),
      new Promise((resolve) => this.#port.once('close', resolve)),
    ]);
    // A command that never started holds no descriptors; its streams end now.
    this.#handedOver?.();
  }

  #outcome(): TraceResult {
    if (!this.#end) throw new OuaError('TRACE_FAILED', 'the tracing thread ended early', 'report this');
    const { failure, exit, counts } = this.#end;
    if (failure) throw new OuaError(failure.code, failure.message, failure.hint);
    if (!exit) throw new OuaError('TRACE_FAILED', 'the command ended unseen', 'report this');
    const leftovers = this.#end.leftovers.map((left) => ({
      ...left,
      argv: left.argv.map((word) => Buffer.from(word)),
    }));
    return { ...exit, leftovers, counts };
  }

  #hear(report: Report): void {
    switch (report.type) {
      case 'open':
        this.#shimRun = report.run;
        return;
      case 'started':
        this.#handedOver?.();
        return this.#started.resolve(report.pid);
      case 'stop':
        return void this.#consult(new EventRecord(Buffer.from(report.record)));
      case 'quiesced':
        return this.#settleQuiesce(report.stop, report.restless);
      case 'armed':
        return this.#settleArming(report.id, report.found);
      case 'events':
        this.#tell(report.records);
        return this.#port.postMessage({ type: 'heard', bytes: report.records.length } satisfies Order);
      case 'command':
        return this.#command.resolve(report.exit);
      case 'end':
        this.#end = report;
    }
  }

  async #consult(record: EventRecord): Promise<void> {
    const stop = record.status;
    try {
      const decision = (await this.#decide(record)) ?? { action: 'continue' };
      this.#order({ type: 'decide', stop, decision });
    } catch (error) {
      this.#stop(error);
    }
  }

  #decide(record: EventRecord): Decision | Promise<Decision> | undefined {
    const { onCall, onExec } = this.#options;
    if (record.kind === eventKind.callStop) return onCall?.(new HeldCall(record, this.#rows));
    const quiesce = (kill: readonly number[]) => this.#quiesce(record.status, kill);
    return onExec?.(new HeldExec(record, () => quiesce([]), quiesce));
  }

  #tell(records: Uint8Array): void {
    const { onEvent } = this.#options;
    if (!onEvent || this.#reason !== undefined) return;
    try {
      for (const event of decodeEvents(records, this.#rows)) onEvent(event);
    } catch (error) {
      this.#stop(error);
    }
  }

  #quiesce(stop: number, kill: readonly number[]): Promise<void> {
    const known = this.#quiesces.get(stop);
    if (known) return kill.length > 0 ? known.promise.then(() => this.#quiesce(stop, kill)) : known.promise;
    const quiet = new Deferred<void>();
    this.#quiesces.set(stop, quiet);
    this.#order({ type: 'quiesce', stop, kill });
    return quiet.promise;
  }

  #settleQuiesce(stop: number, restless: number): void {
    const quiet = this.#quiesces.get(stop);
    this.#quiesces.delete(stop);
    if (restless === 0) quiet?.resolve();
    else
      quiet?.reject(
        new OuaError(
          'TRACE_FAILED',
          `${restless} process(es) of the update could not be stopped`,
          'the host is overloaded or its disk hangs; plan again',
        ),
      );
  }

  #settleArming(id: number, found: boolean): void {
    const arming = this.#armings.get(id);
    this.#armings.delete(id);
    if (found) arming?.armed.resolve();
    else
      arming?.armed.reject(
        new OuaError(
          'TRACE_FAILED',
          `process ${arming.pid} is not traced`,
          'arm only what the traced command started',
        ),
      );
  }

  /** Ends the run: kills everything, and gives up on a thread that does not report the end. */
  #stop(reason: unknown): void {
    if (this.#over) return;
    this.#reason ??= reason;
    this.#order({ type: 'kill' });
    this.#guard ??= setTimeout(() => void this.#worker?.terminate(), endLimit);
  }

  #order(order: Order): void {
    this.#port.postMessage(order);
    // A thread that has not begun, or is gone, has nothing to be woken from.
    if (this.#shimRun !== undefined && !this.#over) loadShim().oua_trace_wake(this.#shimRun);
  }

  /** After a thread that ended as it should there is nothing to forget. */
  #forgetShimRun(): void {
    if (this.#shimRun !== undefined && !this.#end) loadShim().oua_trace_close(this.#shimRun);
  }

  #rejectAll(reason: unknown): void {
    for (const id of [...this.#armings.keys()]) this.#settleArming(id, false);
    for (const quiet of this.#quiesces.values()) quiet.reject(reason);
    this.#started.reject(reason);
    this.#command.reject(reason);
    this.#result.reject(reason);
  }
}

function interrupted(): OuaError {
  return new OuaError('INTERRUPTED', 'the traced command was interrupted', 'run it again');
}

function asOuaError(reason: unknown): OuaError {
  if (reason instanceof OuaError) return reason;
  const message = reason instanceof Error ? reason.message : String(reason);
  return new OuaError('TRACE_FAILED', `tracing failed: ${message}`, 'report this', { cause: reason });
}
