import { join } from 'node:path';
import { rm } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { OuaError } from '../../src/base/errors.js';
import { ResourceStack } from '../../src/base/resources.js';
import { conffileEnvironment } from '../../src/planner/package-managers/dpkg/conffiles.js';
import { sandboxEnvironment } from '../../src/sandbox/config.js';
import type { Copy, Original } from './copy.js';
import type { CaseResult } from './document.js';
import type { Observation } from './item.js';
import type { Judge } from './judge.js';
import { observeLive, type CopyKind } from './live-state.js';
import { observeTree } from './tree.js';
import { planVariant, type Variant } from './variant.js';

/** What an update does, and where it is tried. */
export interface Update {
  readonly package: string;
  readonly operation: CaseResult['operation'];
  readonly guest: CopyKind;
  readonly command: readonly string[];
}

export interface CaseOptions {
  readonly original: Original;
  readonly judge: Judge;
  /** An empty folder for plans. */
  readonly folder: string;
  readonly signal: AbortSignal;
}

/** What an update is given when it is planned: the references get the same. */
const environment = { ...sandboxEnvironment, ...conffileEnvironment('keep') };

/** How long jobs of a copy's systemd may take after the update: a hang guard. */
const patienceMs = 300_000;

/**
 * Runs an update inside two copies of a guest, plans it in each way for that guest and applies the plan to a third
 * copy, and compares. What goes wrong makes the case a failed one.
 */
export async function* runCase(
  update: Update,
  variants: readonly Variant[],
  { original, judge, folder, signal }: CaseOptions,
): AsyncGenerator<CaseResult> {
  await using stack = new ResourceStack();
  let started = performance.now();
  const seconds = () => {
    const spent = (performance.now() - started) / 1000;
    started = performance.now();
    return rounded(spent);
  };
  const about = { package: update.package, operation: update.operation, guest: update.guest };
  const failed = (error: unknown): Pick<CaseResult, 'result' | 'differences' | 'error'> => {
    if (signal.aborted || !(error instanceof OuaError)) throw error;
    return { result: 'failed', differences: [], error: `${error.message} (${error.code})` };
  };

  let references: References;
  try {
    references = await runReferences(update, original, stack);
  } catch (error) {
    const result = failed(error);
    for (const variant of variants)
      yield { ...about, ...variant, ...result, unsteady: [], seconds: seconds() };
    return;
  }
  const { first, second, referenceSeconds, ranMs } = references;
  const unsteady = [...judge.compareReferences(first, second)];
  for (const variant of variants) {
    const head = { ...about, ...variant, unsteady, referenceSeconds };
    const plan = join(folder, 'plan');
    let planSeconds: number | undefined;
    try {
      const planned = await planVariant(variant, original, update.command, plan, signal);
      planSeconds = rounded(planned.seconds);
      await using resources = new ResourceStack();
      const { copy, seconds: applied } = await original.candidate(plan);
      resources.use(copy);
      const since = performance.now() - applied * 1000;
      const { observation: candidate } = await observe(copy, update.guest, since, ranMs);
      const differences = [...judge.compareCandidate(first, second, candidate)];
      yield {
        ...head,
        result: differences.length === 0 ? 'identical' : 'differs',
        differences,
        seconds: seconds(),
        planSeconds,
        applySeconds: rounded(applied),
      };
    } catch (error) {
      yield { ...head, ...failed(error), seconds: seconds(), planSeconds };
    } finally {
      await rm(plan, { force: true });
    }
  }
}

interface References {
  readonly first: Observation;
  readonly second: Observation;
  readonly referenceSeconds: number;
  /** Milliseconds that the first one ran until it was looked at. */
  readonly ranMs: number;
}

async function runReferences(update: Update, original: Original, stack: ResourceStack): Promise<References> {
  const run = async (leastMs: number) => {
    const copy = stack.use(await original.reference());
    const started = performance.now();
    const { exitStatus, stdout, stderr } = await copy.run(update.command, environment);
    const referenceSeconds = rounded((performance.now() - started) / 1000);
    if (exitStatus !== 0)
      throw new OuaError(
        'UPDATE_FAILED',
        `inside the guest ${update.command.join(' ')} ended with status ${exitStatus}: ${lastWords(stdout + stderr)}`,
        'see what apt says',
      );
    return { referenceSeconds, ...(await observe(copy, update.guest, started, leastMs)) };
  };
  const { observation: first, referenceSeconds, ranMs } = await run(0);
  const { observation: second } = await run(ranMs);
  return { first, second, referenceSeconds, ranMs };
}

/**
 * Looks at the running system, ends it, and looks at its files.
 *
 * @param since when it went on, `performance.now()`
 * @param leastMs how long it has to have run: what services do after a minute they shall have done in all copies
 */
async function observe(
  copy: Copy,
  kind: CopyKind,
  since: number,
  leastMs: number,
): Promise<{ readonly observation: Observation; readonly ranMs: number }> {
  await sleep(Math.max(0, leastMs - (performance.now() - since)));
  await settled(copy, kind);
  const ranMs = performance.now() - since;
  const live = await observeLive(copy, kind);
  const root = await copy.end();
  return { observation: new Map([...observeTree(root, copy.begun), ...live]), ranMs };
}

/** Returns when systemd has done what the update asked of it, and the network is up again. */
async function settled(copy: Copy, kind: CopyKind): Promise<void> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(200))
    if (!(await hasJobs(copy)) && !(kind === 'vm' && (await isConfiguringLinks(copy)))) return;
  throw new OuaError(
    'HOST_FAILED',
    'the guest does not come to rest',
    'look what its units and links wait for',
  );
}

async function hasJobs(copy: Copy): Promise<boolean> {
  const { exitStatus, stdout } = await copy.run(['/bin/systemctl', 'list-jobs', '--no-legend', '--plain']);
  // It lists `No jobs running.` when there are none, whatever else is asked for.
  return exitStatus !== 0 || /^ *\d+ /m.test(stdout);
}

/** A networkd that was started while the guest was cut off asks for a lease at ever longer intervals. */
async function isConfiguringLinks(copy: Copy): Promise<boolean> {
  const links = '/run/systemd/netif/links';
  const { exitStatus } = await copy.run(['/bin/grep', '-rqs', '^ADMIN_STATE=configuring$', links]);
  return exitStatus === 0;
}

function lastWords(text: string): string {
  return text.trim().split('\n').slice(-3).join(' / ');
}

function rounded(seconds: number): number {
  return Number(seconds.toFixed(2));
}
