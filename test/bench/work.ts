import type { ResourceStack } from '../../src/base/resources.js';
import type { Say } from '../lab/cache.js';
import type { Alternation, Interval, Round } from './pairs.js';

/** What a work needs to get ready. */
export interface Surroundings {
  /** Takes everything that has to be released at the end. */
  readonly resources: ResourceStack;
  /** An empty folder of the work's own. */
  readonly folder: string;
  readonly say: Say;
  readonly signal: AbortSignal;
  /** Small runs, which show that everything works and nothing else. */
  readonly short: boolean;
}

/** Figures by their keys. */
export type Figures = Readonly<Record<string, Interval>>;

/** A work that is ready to run. */
export interface Work<V extends string = string> extends Pick<
  Alternation<V>,
  'variants' | 'comparisons' | 'fewer' | 'run'
> {
  readonly figures: (rounds: readonly Round<V>[]) => Figures;
  /** What was worked on: sizes, versions. */
  readonly facts: Readonly<Record<string, unknown>>;
}

/** Seconds that a run of the full benchmark is to last at least, with a little to spare. */
export const wantedSeconds = 11;
