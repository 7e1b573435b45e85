import { OuaError } from '../base/errors.js';
import type { Delivery } from '../transport/transport.js';
import {
  cutOffError,
  endError,
  parseAgentLine,
  stoppedError,
  type AgentEnd,
  type AgentEvent,
  type FailedStep,
} from './report.js';

export interface ScriptResult {
  readonly step: number;
  readonly kind: 'script' | 'action' | 'triggers';
  readonly seconds: number;
  readonly skipped: boolean;
  /** The last 64 KiB of what it said. */
  readonly output: string;
}

/** Gathers what a run of the agent reports. */
export class ReplayLog {
  readonly scripts: ScriptResult[] = [];
  readonly kept: string[] = [];
  readonly overwritten: string[] = [];
  readonly merged = new Set<string>();
  end: AgentEnd | undefined;
  /** The program that made the replay fail. */
  failed: FailedStep | undefined;
  /** The last event before the end of a run that gave none. */
  last: AgentEvent | undefined;
  /** What the run has made of itself for good. */
  settled: 'committed' | 'stopped' | undefined;
  /** How runs that were cut off ended, by the plan's digest. */
  readonly recovered = new Map<string, Extract<AgentEvent, { event: 'recovered' }>['status']>();
  readonly #onEvent: (event: AgentEvent) => void;

  constructor(onEvent: (event: AgentEvent) => void) {
    this.#onEvent = onEvent;
  }

  add(event: AgentEvent): void {
    this.last = event;
    if (event.event === 'end') this.end = event;
    if (event.event === 'recovered') this.recovered.set(event.plan, event.status);
    if (event.event === 'phase' && event.phase === 'commit') this.settled = 'committed';
    if (event.event === 'phase' && event.phase === 'stop') this.settled = 'stopped';
    if (event.event === 'step' && event.kind === 'files') {
      this.kept.push(...event.kept);
      this.overwritten.push(...event.overwrote);
      for (const path of event.merged) this.merged.add(path);
    }
    if (event.event === 'step' && event.kind !== 'files' && event.status === 'failed') this.failed = event;
    if (event.event === 'step' && event.kind !== 'files' && event.status !== 'failed')
      this.scripts.push({
        step: event.step,
        kind: event.kind,
        seconds: event.seconds,
        skipped: event.status === 'skipped',
        output: event.output,
      });
    this.#onEvent(event);
  }
}

/**
 * Runs the agent; when it ends without saying how, runs it again to bring the guest to whole files.
 *
 * @param plan what is played: its digest, by which the agent names what it recovers, and how many steps it has
 * @throws OuaError unless the plan was applied to its end.
 */
export async function replay(
  delivery: Delivery,
  plan: { readonly digest: string; readonly steps: number },
  log: ReplayLog,
  signal?: AbortSignal,
): Promise<void> {
  const applied = await follow(delivery.run('apply', signal), log);
  if (applied?.status === 'applied') return;
  if (applied) throw endError(applied, log.failed, plan.steps);
  const last = log.last;
  const end = await follow(delivery.run('recover'), log);
  const outcome = end && log.recovered.get(plan.digest);
  const settled = log.settled ?? outcome;
  if (settled === 'committed') return;
  if (settled === 'stopped')
    throw stoppedError('the agent was killed after it had stopped', log.failed, plan.steps);
  if (end && end.status !== 'recovered') throw endError({ ...end, status: 'stuck' }, log.failed, plan.steps);
  throw cutOffError(end ? (outcome === 'restored' ? 'restored' : 'nothing') : 'cut off', last);
}

/** To the agent's end, also past a line that is none: before it the agent must not be left alone. */
async function follow(lines: AsyncIterable<string>, log: ReplayLog): Promise<AgentEnd | undefined> {
  let unknown: OuaError | undefined;
  for await (const line of lines) {
    const event = tryParse(line);
    if (event instanceof OuaError) unknown ??= event;
    else log.add(event);
  }
  if (unknown)
    throw new OuaError(
      unknown.code,
      `${unknown.message}; ${log.end ? `it ended as '${log.end.status}'` : 'it did not say how it ended'}`,
      unknown.hint,
      { cause: unknown },
    );
  return log.end;
}

function tryParse(line: string): AgentEvent | OuaError {
  try {
    return parseAgentLine(line);
  } catch (error) {
    if (error instanceof OuaError) return error;
    throw error;
  }
}
