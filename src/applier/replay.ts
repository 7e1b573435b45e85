import { OuaError } from '../base/errors.js';
import type { Delivery } from '../transport/transport.js';
import { cutOffError, endError, parseAgentLine, type AgentEnd, type AgentEvent } from './report.js';

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
  /** What the program said that made the replay fail. */
  failedOutput = '';
  /** The last event before the end of a run that gave none. */
  last: AgentEvent | undefined;
  committed = false;
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
    if (event.event === 'phase' && event.phase === 'commit') this.committed = true;
    if (event.event === 'step' && event.kind === 'files') {
      this.kept.push(...event.kept);
      this.overwritten.push(...event.overwrote);
      for (const path of event.merged) this.merged.add(path);
    }
    if (event.event === 'step' && event.kind !== 'files' && event.status === 'failed')
      this.failedOutput = event.output;
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
 * @param plan the plan's digest, by which the agent names what it recovers
 * @throws OuaError unless the plan was applied to its end.
 */
export async function replay(
  delivery: Delivery,
  plan: string,
  log: ReplayLog,
  signal?: AbortSignal,
): Promise<void> {
  const applied = await follow(delivery.run('apply', signal), log);
  if (applied?.status === 'applied') return;
  if (applied) throw endError(applied, log.failedOutput);
  const last = log.last;
  const end = await follow(delivery.run('recover'), log);
  if (end && end.status !== 'recovered') throw endError({ ...end, status: 'stuck' }, log.failedOutput);
  const outcome = log.recovered.get(plan);
  if (end && (outcome === 'committed' || (log.committed && outcome === undefined))) return;
  throw cutOffError(end !== undefined && outcome === 'restored', last);
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
