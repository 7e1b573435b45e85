import { z } from 'zod';
import { OuaError, type ErrorCode } from '../base/errors.js';

const seconds = z.number().nonnegative();
const paths = z.array(z.string());

/** One line of the agent's report. It comes from inside the guest: it is checked like any foreign input. */
const agentEvent = z.union([
  z.object({ event: z.literal('phase'), phase: z.enum(['check', 'stage', 'commit', 'stop']), seconds }),
  z.object({
    event: z.literal('step'),
    step: z.number().int().nonnegative(),
    kind: z.literal('files'),
    seconds,
    status: z.enum(['ok', 'failed']),
    changes: z.number().int().nonnegative(),
    /** Directories that were to go but hold something that the plan does not know. */
    kept: paths,
    /** Paths at which a script had put another content than the plan knew: it is gone. */
    overwrote: paths,
    /** Databases that the guest had changed meanwhile: they have both changes. */
    merged: paths,
  }),
  z.object({
    event: z.literal('step'),
    step: z.number().int().nonnegative(),
    kind: z.enum(['script', 'action', 'triggers']),
    seconds,
    status: z.enum(['ok', 'skipped', 'failed']),
    exit: z.number().int(),
    /** The last 64 KiB of what it said. A terminal has made carriage returns of its own. */
    output: z.string().transform((text) => text.replaceAll('\r\n', '\n')),
  }),
  z.object({
    event: z.literal('recovered'),
    plan: z.string(),
    status: z.enum(['restored', 'committed', 'stopped', 'stuck']),
    left: paths,
  }),
  z.object({
    event: z.literal('end'),
    status: z.enum(['applied', 'refused', 'rolled-back', 'stopped', 'stuck', 'recovered']),
    code: z.string().optional(),
    path: z.string().optional(),
    message: z.string().optional(),
    /** New directories that were not taken back because scripts had put something into them. */
    left: paths.optional(),
    /** How many scripts were started: only what they did to the plan's own paths is taken back. */
    scripts: z.number().int().nonnegative(),
  }),
]);

export type AgentEvent = z.infer<typeof agentEvent>;
export type AgentEnd = Extract<AgentEvent, { event: 'end' }>;

/**
 * Reads one line of a report.
 *
 * @throws OuaError `AGENT_FAILED` when it is none.
 */
export function parseAgentLine(line: string): AgentEvent {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    value = undefined;
  }
  const event = agentEvent.safeParse(value);
  if (event.success) return event.data;
  throw new OuaError(
    'AGENT_FAILED',
    `the agent said something unknown: ${JSON.stringify(line.slice(0, 80))}`,
    'use the agent that came with this program',
  );
}

/** What a refusal by the agent means to the user. Codes that are not here are failures of the agent. */
const refusals: Partial<Record<string, { code: ErrorCode; hint: string }>> = {
  WRONG_GUEST: {
    code: 'WRONG_GUEST',
    hint: 'apply the plan to the guest that it was made for, or plan again',
  },
  PLAN_STALE: { code: 'PLAN_STALE', hint: 'the guest changed since the plan was made: plan again' },
  GUEST_BUSY: { code: 'GUEST_BUSY', hint: 'wait until the other package manager is done' },
  GUEST_UNSUPPORTED: { code: 'GUEST_UNSUPPORTED', hint: 'plan again without what lies there' },
  DISK_FULL: { code: 'DISK_FULL', hint: 'free some space in the guest' },
  INTERRUPTED: { code: 'INTERRUPTED', hint: 'nothing was changed' },
};

/** Reasons of a rollback that have a code of their own. */
const rollbacks: Partial<Record<string, ErrorCode>> = {
  INTERRUPTED: 'INTERRUPTED',
  MERGE_CONFLICT: 'MERGE_CONFLICT',
};

/** A step that is no file set and failed, and what its program said. */
export interface FailedStep {
  readonly step: number;
  readonly kind: 'script' | 'action' | 'triggers';
  readonly output: string;
}

/**
 * The error that a replay that was not applied ends with.
 *
 * @param failed the step that failed, if it ran a program
 * @param steps how many the plan has
 */
export function endError(end: AgentEnd, failed: FailedStep | undefined, steps: number): OuaError {
  const what = reason(end, failed);
  const output = failed && { output: failed.output };
  if (end.status === 'stopped') return stoppedError(what, failed, steps);
  if (end.status === 'refused') {
    const refusal = refusals[end.code ?? ''] ?? { code: 'AGENT_FAILED' as const, hint: 'see the message' };
    return new OuaError(refusal.code, what, refusal.hint);
  }
  if (end.status === 'stuck')
    return new OuaError(
      'AGENT_FAILED',
      `the guest could not be brought back to its old files: ${what}`,
      'the old files are kept in /var/lib/ouassister in the guest; apply again to try once more',
      output,
    );
  const left = end.left?.length ? `; left in place: ${end.left.slice(0, 5).join(', ')}` : '';
  return new OuaError(
    rollbacks[end.code ?? ''] ?? 'ROLLED_BACK',
    `${what}; ${end.scripts > 0 ? undoneBut(end.scripts) : 'the guest has its old files back'}${left}`,
    end.scripts > 0
      ? "see the scripts' output; check what they changed beyond the plan's paths, then plan again"
      : 'see the message, then plan again',
    output,
  );
}

function reason(end: AgentEnd, failed: FailedStep | undefined): string {
  const words = failed?.output.trim().split('\n').slice(-2).join(' / ').slice(-500);
  return [end.path, end.message, words].filter(Boolean).join(': ') || 'it gave no reason';
}

/**
 * The error of a replay that stopped at a failed program and took nothing back.
 *
 * @param what why it failed
 */
export function stoppedError(what: string, failed: FailedStep | undefined, steps: number): OuaError {
  return new OuaError(
    'STOPPED',
    `${failed ? `step ${failed.step} (${failed.kind}) failed: ` : ''}${what}; the guest is between two states: ` +
      `${failed ? doneAndNot(failed.step, steps) : 'the steps up to the one that failed are done'}`,
    'show --steps lists them; look into the guest, where its package manager can go on (dpkg --configure -a) or be mended; ' +
      'this plan fits it no more',
    failed && { output: failed.output },
  );
}

function doneAndNot(failed: number, steps: number): string {
  const before = failed === 0 ? 'nothing came before it' : `${range(0, failed - 1)} before it done and kept`;
  const after =
    failed === steps - 1 ? 'nothing was to come after it' : `${range(failed + 1, steps - 1)} not done`;
  return `${before}, ${after}`;
}

const range = (first: number, last: number): string =>
  first === last ? `step ${first}` : `steps ${first} to ${last}`;

const undoneBut = (scripts: number): string =>
  `the plan's own paths are as they were; ${scripts} ${scripts === 1 ? 'script' : 'scripts'} had been started, ` +
  'and what they did to other files and to the running system is not undone';

/**
 * The error for an agent that ended without saying how.
 *
 * @param recovery what a later run found: a state, whose changes it took back (only that tells of a rollback), or none;
 * or it was cut off, too
 * @param last what it reported last
 */
export function cutOffError(
  recovery: 'restored' | 'nothing' | 'cut off',
  last: AgentEvent | undefined,
): OuaError {
  const known = last ? `the last that it reported is ${describe(last)}` : 'it reported nothing';
  if (recovery === 'cut off')
    return new OuaError(
      'AGENT_FAILED',
      `the agent ended without saying how, ${known}, and so did the one that was to bring the guest back: ` +
        'the guest may be between two states',
      'what the way back needs is in /var/lib/ouassister in the guest; apply again to try once more',
    );
  if (recovery === 'restored')
    return new OuaError(
      'ROLLED_BACK',
      `the agent was killed, ${known}; the plan's own paths are as they were, ` +
        'and what scripts did to other files and to the running system is not undone',
      'plan again from a new suspend',
    );
  return new OuaError(
    'AGENT_FAILED',
    `the agent ended without saying how, ${known}; no state of it is left in the guest: ` +
      'it had not begun to change anything, or had brought the guest back (or stopped, if it was to), ' +
      'or had applied the plan to its end',
    "compare the packages' versions in the guest (dpkg -l, rpm -qa) with those of the plan (show)",
  );
}

function describe(event: AgentEvent): string {
  if (event.event === 'step') return `step ${event.step} (${event.kind}, ${event.status})`;
  return event.event === 'phase' ? `the end of the phase '${event.phase}'` : `'${event.event}'`;
}
