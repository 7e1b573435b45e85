import type { TraceEvent } from '../tracer/tracer.js';
import type { CalledScript } from './whole-scripts.js';

/** A script call of the plan that runs, or its stand-in. */
export interface RunningScript extends CalledScript {
  /** Its step. */
  readonly step: number;
}

/** Follows the tree of processes: what runs below a maintainer script belongs to that script. */
export class RunningScripts {
  readonly #byProcess = new Map<number, RunningScript>();

  /** Takes note of births, deaths and new programs. `script`: what an exec runs. */
  follow(event: TraceEvent, script?: RunningScript): void {
    if (event.type === 'exit') this.#byProcess.delete(event.pid);
    else if (event.type === 'fork' && !event.thread) this.#set(event.child, this.of(event.pid));
    else if (event.type === 'exec') this.#set(event.pid, script);
  }

  /** The script that a process works for. */
  of(pid: number): RunningScript | undefined {
    return this.#byProcess.get(pid);
  }

  #set(pid: number, script: RunningScript | undefined): void {
    if (script) this.#byProcess.set(pid, script);
  }
}
