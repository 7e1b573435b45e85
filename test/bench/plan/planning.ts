import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { interrupted } from '../../../src/base/abort.js';
import { toolEnvironment } from '../../../src/base/command.js';
import { OuaError } from '../../../src/base/errors.js';
import type { PackageChange } from '../../../src/plan/model.js';
import type { PlannerPhase } from '../../../src/planner/events.js';
import type { PlanOptions } from '../../../src/planner/plan.js';

/** What `plan-once.ts` is to plan. */
export type PlanJob = Pick<
  PlanOptions,
  'disk' | 'memory' | 'output' | 'commands' | 'profileDirectory' | 'profileCache'
>;

/** What it says at its end. */
export interface PlanReport {
  readonly seconds: number;
  /** Seconds of each phase. */
  readonly phases: Readonly<Partial<Record<PlannerPhase, number>>>;
  readonly packages: readonly PackageChange[];
}

const program = fileURLToPath(new URL('plan-once.js', import.meta.url));

/** Milliseconds: hang guards. */
const patience = { planning: 1_800_000, ending: 60_000 };

/**
 * Plans an update in a Node process of its own.
 *
 * @throws OuaError `HOST_FAILED` with its words, `INTERRUPTED`
 */
export async function planInProcess(job: PlanJob, signal: AbortSignal): Promise<PlanReport> {
  const { exitCode, stdout, stderr } = await execa(
    'setpriv',
    ['--pdeathsig', 'KILL', '--', process.execPath, program, JSON.stringify(job)],
    {
      env: { ...toolEnvironment, TMPDIR: tmpdir() },
      extendEnv: false,
      reject: false,
      // A terminal's Ctrl-C reaches us alone.
      detached: true,
      stdin: 'ignore',
      cancelSignal: signal,
      timeout: patience.planning,
      forceKillAfterDelay: patience.ending,
    },
  );
  if (signal.aborted) throw interrupted(signal.reason);
  if (exitCode === 0) return JSON.parse(stdout) as PlanReport;
  throw new OuaError(
    'HOST_FAILED',
    `planning failed: ${stderr.trim().split('\n').slice(-3).join(' / ')}`,
    'see what it says',
  );
}
