import { OuaError } from '../base/errors.js';
import type { FileChange } from '../plan/model.js';
import type { TraceEvent } from '../tracer/tracer.js';
import type { FilesInUse } from './files-in-use.js';
import { reachedByWrite, type LiveCalls } from './live/live-calls.js';
import type { FailedScript, RunningScript, RunningScripts } from './running-scripts.js';
import type { CalledScript, WholeScripts } from './whole-scripts.js';

export interface WholeScriptFinderParts {
  readonly running: RunningScripts;
  readonly live: LiveCalls;
  readonly inUse: FilesInUse;
  /** Paths of the kernel's files that a process has tried to write to since it was asked about it last. */
  readonly kernelWrites: (pid: number) => readonly string[];
  /** What is found. */
  readonly whole: WholeScripts;
}

/**
 * Finds out which scripts have to run in the guest, whole: from what they do, and from what becomes of it. By then it has
 * happened: each method that finds one throws `UPDATE_FAILED`, and planning begins again.
 */
export class WholeScriptFinder {
  readonly #parts: WholeScriptFinderParts;
  /** Calls that ran offline since the last collection. */
  #ran: CalledScript[] = [];
  /** The first script that failed when something had been left to the replay. */
  #suspect: FailedScript | undefined;

  constructor(parts: WholeScriptFinderParts) {
    this.#parts = parts;
  }

  /** A script begins to run offline. */
  begins(script: RunningScript): void {
    this.#ran.push(script);
  }

  /** What a script does to the running system by itself cannot be told apart from the rest of it. */
  look(event: TraceEvent, script: RunningScript | undefined): void {
    const reached = this.#reachedBy(event);
    if (script && reached !== undefined) this.found(script, reached);
  }

  /** What changed in files since the last time. */
  collected(changes: readonly FileChange[]): void {
    const removed = this.#parts.inUse.removedBy(changes);
    const ran = this.#ran.splice(0, Infinity, ...this.#parts.running.calls);
    if (removed === undefined) return;
    const reason = `the removal of ${removed}, to which a process of the guest writes`;
    const scripts = ran.filter((each) => this.#parts.whole.reason(each) === undefined);
    // Which of them has removed it is not known.
    for (const script of scripts) this.#parts.whole.add(script, reason);
    if (scripts[0]) this.found(scripts[0], reason);
  }

  /** A script has failed that may have missed what was left to the replay: a server that was stopped still runs. */
  suspect(script: FailedScript): void {
    this.#suspect ??= script;
  }

  /** The whole command has failed. */
  blame(): void {
    if (this.#suspect)
      this.found(this.#suspect, `it ended with status ${this.#suspect.exitStatus} after live actions`);
  }

  found(script: CalledScript, reason: string): never {
    this.#parts.whole.add(script, reason);
    throw new OuaError(
      'UPDATE_FAILED',
      `${script.package}.${script.kind} cannot run offline: ${reason}`,
      'plan with --policy defer',
    );
  }

  #reachedBy(event: TraceEvent): string | undefined {
    if (event.type === 'call') return this.#parts.live.reachedBy(event);
    // Writes are known at once, but events come later: whose process it was is sure when its end is told.
    if (event.type !== 'exit') return undefined;
    const reasons = this.#parts.kernelWrites(event.pid).map(reachedByWrite);
    return reasons.find((each) => each !== undefined);
  }
}
