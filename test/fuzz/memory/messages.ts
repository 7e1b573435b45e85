import type { Round } from './round.js';

/** What a worker is to do: the numbers `from`, `from + step`, … below `to`, until a moment. */
export interface Job {
  readonly image: string;
  readonly seed: number;
  readonly from: number;
  readonly step: number;
  readonly to: number;
  /** Milliseconds since the epoch. */
  readonly until: number;
}

/** One line of a worker's output. It is written before the next round begins, so that whoever waits knows which hangs. */
export type Line =
  { readonly type: 'ready' } | { readonly type: 'round'; readonly round: Round; readonly peakBytes: number };
