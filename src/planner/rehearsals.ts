import { OuaError } from '../base/errors.js';
import { rehearsePath, stubPath } from '../sandbox/sandbox.js';
import type { ExecDecision, ExecStop, TraceEvent } from '../tracer/tracer.js';
import type { LiveCalls } from './live/live-calls.js';
import type { RunningScript, RunningScripts } from './running-scripts.js';
import { standIn, type StandIn } from './stand-in.js';

/** How often what a rehearsal has left is ended, and looked for again. */
const maximumRounds = 20;

export interface RehearsalsParts {
  readonly running: RunningScripts;
  readonly live: LiveCalls;
  /** Takes what has changed in files for what the guest does by itself. */
  readonly discard: () => Promise<void>;
  /** These processes of the guest are not there any more. */
  readonly onGone: (pids: ReadonlySet<number>) => void;
}

/**
 * Scripts that the replay runs whole run offline as well, so that the package manager goes on with what they do: with the
 * directories that they have emptied, the users that they have made. Nothing of that gets into the plan. The script's caller
 * waits for native-shim/rehearse.c, which runs the script and then becomes its stand-in.
 */
export class Rehearsals {
  readonly #parts: RehearsalsParts;
  /** Steps of calls that are, or were, rehearsed. */
  readonly #steps = new Set<number>();
  /** The process of the one that runs. */
  #current: number | undefined;

  constructor(parts: RehearsalsParts) {
    this.#parts = parts;
  }

  /** Whether what a script's processes do is none of the plan's. */
  includes(script: RunningScript | undefined): boolean {
    return script !== undefined && this.#steps.has(script.step);
  }

  /** The script runs, unheard, and then what stands in for it. The files must be collected. */
  begin({ pid, path, root, argv }: ExecStop, step: number, end: StandIn): ExecDecision {
    // Without a path it cannot be run again, and in another root the programs of ours are not there. What two at once
    // have changed could not be told apart from what goes on beside one of them.
    if (this.#current !== undefined || path.length === 0 || root.length > 1 || argv.length === 0) return end;
    this.#steps.add(step);
    this.#current = pid;
    const words = ['rehearse', String(argv.length)].map((word) => Buffer.from(word));
    return {
      action: 'redirect',
      path: rehearsePath,
      argv: [...words, path, ...argv, Buffer.from(end.path), ...end.argv],
    };
  }

  /** A process of a rehearsal executes a program: what that would do to the running system is done at the replay. */
  async onExec(stop: ExecStop, script: RunningScript): Promise<ExecDecision> {
    if (stop.pid === this.#current && stop.absolutePath.toString('latin1') === stubPath) {
      await this.#end(stop, script);
      return { action: 'continue' };
    }
    const verdict = this.#parts.live.decide(stop);
    switch (verdict?.kind) {
      case 'answer':
        return standIn(verdict.status, verdict.output, verdict.errors);
      case 'files':
      case 'both':
        return { action: 'continue', ...(verdict.argv && { argv: verdict.argv }) };
      case 'live':
        this.#parts.onGone(verdict.actions.gone);
        return standIn();
      case 'whole':
        return standIn();
      case undefined:
        return { action: 'continue' };
    }
  }

  /** @throws OuaError `UPDATE_FAILED` when a rehearsal is cut short: what it has changed could not be told from the rest. */
  follow(event: TraceEvent): void {
    if (event.type !== 'exit' || event.pid !== this.#current) return;
    throw new OuaError(
      'UPDATE_FAILED',
      'a script that has to run in the guest was ended from outside while it ran offline',
      'plan with --policy defer',
    );
  }

  async #end(stop: ExecStop, script: RunningScript): Promise<void> {
    this.#current = undefined;
    await stop.quiesce();
    await this.#endAll(stop, script);
    await this.#parts.discard();
  }

  /** Nothing that the script has left may go on: what it did would be in the plan. */
  async #endAll(stop: ExecStop, script: RunningScript): Promise<void> {
    const left = () => this.#parts.running.processesOf(script).filter((pid) => pid !== stop.pid);
    // One that waited for another's end can have started a further one.
    for (let round = 0, pids = left(); pids.length > 0; round++, pids = left()) {
      if (round === maximumRounds)
        throw new OuaError(
          'UPDATE_FAILED',
          `${script.package}.${script.kind} leaves processes that cannot be ended`,
          'plan with --policy defer',
        );
      await stop.kill(pids);
    }
  }
}
