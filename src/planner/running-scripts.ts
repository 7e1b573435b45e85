import type { TraceEvent } from '../tracer/tracer.js';
import type { CalledScript } from './whole-scripts.js';

/** A script call of the plan that runs, or its stand-in. */
export interface RunningScript extends CalledScript {
  /** Its step. */
  readonly step: number;
}

/** A script call that did not end well. */
export interface FailedScript extends CalledScript {
  readonly pid: number;
  readonly exitStatus: number;
}

/** Follows the tree of processes: what runs below a maintainer script belongs to that script. */
export class RunningScripts {
  readonly #byProcess = new Map<number, RunningScript>();
  /** Processes that are script calls themselves, as dpkg and rpm wait for them. */
  readonly #calls = new Map<number, RunningScript>();
  #failed: FailedScript | undefined;

  /** The last call that did not end well. */
  get failed(): FailedScript | undefined {
    return this.#failed;
  }

  /** Takes note of births, deaths and new programs. `script`: what an exec runs. */
  follow(event: TraceEvent, script?: RunningScript): void {
    if (event.type === 'exit') this.#end(event.pid, event.exitStatus);
    else if (event.type === 'fork' && !event.thread) this.#set(event.child, this.of(event.pid));
    else if (event.type === 'exec') {
      this.#set(event.pid, script);
      if (script) this.#calls.set(event.pid, script);
    }
  }

  /** The calls that have not ended. */
  get calls(): readonly RunningScript[] {
    return [...this.#calls.values()];
  }

  /** The script that a process works for. */
  of(pid: number): RunningScript | undefined {
    return this.#byProcess.get(pid);
  }

  /** All that work for one. */
  processesOf({ step }: RunningScript): number[] {
    return [...this.#byProcess].flatMap(([pid, script]) => (script.step === step ? [pid] : []));
  }

  #end(pid: number, exitStatus: number): void {
    const call = this.#calls.get(pid);
    if (call && exitStatus !== 0) this.#failed = { ...call, pid, exitStatus };
    this.#calls.delete(pid);
    this.#byProcess.delete(pid);
  }

  #set(pid: number, script: RunningScript | undefined): void {
    if (script) this.#byProcess.set(pid, script);
  }
}
