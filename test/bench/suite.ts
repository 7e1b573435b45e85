import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '../../src/base/abort.js';
import { ResourceStack } from '../../src/base/resources.js';
import type { Say } from '../lab/cache.js';
import { alternate, medianInterval, ratios, type Round } from './pairs.js';
import type { Figures, Surroundings, Work } from './work.js';

/** Opens a work. */
export type Opener<V extends string> = (around: Surroundings) => Promise<Work<V>>;

export interface SuiteOptions {
  /** Rounds of each work at most. */
  readonly rounds: number;
  readonly short: boolean;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/** What a work gave. */
export interface WorkResult {
  readonly figures: Figures;
  readonly facts: Readonly<Record<string, unknown>>;
  readonly rounds: readonly Round<string>[];
}

/**
 * Gets a work ready, runs it and releases what it held.
 *
 * @throws OuaError `INTERRUPTED`, and what its runs throw.
 */
export async function runWork<V extends string>(
  name: string,
  open: Opener<V>,
  { rounds, short, say, signal }: SuiteOptions,
): Promise<WorkResult> {
  await using resources = new ResourceStack();
  const folder = await mkdtemp(join(tmpdir(), `ouassister-bench-${name}-`));
  resources.defer(() => rm(folder, { recursive: true }));
  say(`${name}: getting ready`);
  const work = await open({ resources, folder, short, say, signal });
  const done: Round<V>[] = [];
  const results = await alternate({
    ...work,
    rounds,
    run: (variant) => {
      throwIfAborted(signal);
      return work.run(variant);
    },
    onRound: (round, number) => {
      done.push(round);
      say(`${name}: pair ${number}: ${describeRound(work, done)}`);
    },
  });
  return { figures: work.figures(results), facts: work.facts, rounds: results };
}

/** The last round's seconds, and the ratios as far as they are known. */
function describeRound<V extends string>(work: Work<V>, rounds: readonly Round<V>[]): string {
  const last = rounds.at(-1)!;
  const seconds = work.variants.flatMap((variant) => {
    const sample = last[variant];
    return sample ? [`${variant} ${sample.seconds.toFixed(2)} s`] : [];
  });
  const known = work.comparisons.map((comparison) => {
    const { median, low, high } = medianInterval(ratios(rounds, comparison));
    return `${comparison.join('/')} ${median.toFixed(3)} [${low.toFixed(3)}, ${high.toFixed(3)}]`;
  });
  return `${seconds.join(', ')}; ${known.join(', ')}`;
}
