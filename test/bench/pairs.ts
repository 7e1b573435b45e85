/** Alternating runs of several variants of one work, and what can be said about their ratios. */

/** A median with its 95 % confidence interval. */
export interface Interval {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** Fewest values whose smallest and largest enclose the median with 95 % confidence: 1 − 2 · 2⁻⁶. */
export const fewestRounds = 6;

/**
 * The median, and the narrowest pair of order statistics that encloses the true one with a probability of at least
 * 95 %: how many values lie below a median is binomial with p = ½, whatever their distribution. Of fewer than
 * `fewestRounds` values it is their range, which promises less.
 *
 * @throws RangeError without values.
 */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = [...values].sort((a, b) => a - b);
  const count = sorted.length;
  if (count === 0) throw new RangeError('the median of nothing');
  const cut = Math.max(1, cutOff(count));
  return {
    median: (sorted[Math.floor((count - 1) / 2)]! + sorted[Math.floor(count / 2)]!) / 2,
    low: sorted[cut - 1]!,
    high: sorted[count - cut]!,
  };
}

/** The largest k such that at most k − 1 of `count` fair coins show heads with a probability of at most 2.5 %. */
function cutOff(count: number): number {
  let probability = 2 ** -count;
  let sum = probability;
  let heads = 0;
  while (sum <= 0.025) {
    heads++;
    probability *= (count - heads + 1) / heads;
    sum += probability;
  }
  return heads;
}

/** One run. */
export interface Sample {
  /** What is compared. */
  readonly seconds: number;
  /** Most memory that the tracer ever held, where that is ours. */
  readonly peakBytes?: number;
  /** What the tracer counted. */
  readonly counts?: Readonly<Record<string, number>>;
}

/** One run of each variant that was still needed. */
export type Round<V extends string> = Partial<Readonly<Record<V, Sample>>>;

/** A variant and the one that it is measured by. */
export type Comparison<V extends string> = readonly [variant: V, base: V];

export interface Alternation<V extends string> {
  readonly variants: readonly V[];
  readonly comparisons: readonly Comparison<V>[];
  /** Rounds at most. */
  readonly rounds: number;
  /** The same of a variant that is far from anything to be reached: how far, a few rounds say. */
  readonly fewer?: Partial<Readonly<Record<V, number>>>;
  readonly run: (variant: V) => Promise<Sample>;
  readonly onRound?: (round: Round<V>, number: number) => void;
}

/** Half of what an interval may span for its ratio to count as known. */
const precision = 0.03;

/**
 * Runs rounds until the ratio of each comparison is known to ±0.03, or as many as are allowed. Each round begins with
 * the next variant, so that none is always first; a variant whose ratios are known takes no further part. One that is
 * compared with nothing runs along to the end.
 */
export async function alternate<V extends string>(work: Alternation<V>): Promise<Round<V>[]> {
  const rounds: Round<V>[] = [];
  while (rounds.length < work.rounds) {
    const open = work.comparisons.filter((comparison) => {
      const values = ratios(rounds, comparison);
      return !isKnown(values) && values.length < (work.fewer?.[comparison[0]] ?? Infinity);
    });
    if (open.length === 0) break;
    const done = work.comparisons.filter((comparison) => !open.includes(comparison)).flat();
    const needed = work.variants.filter(
      (variant) => open.some((pair) => pair.includes(variant)) || !done.includes(variant),
    );
    const first = rounds.length % needed.length;
    const samples = new Map<V, Sample>();
    for (const variant of [...needed.slice(first), ...needed.slice(0, first)])
      samples.set(variant, await work.run(variant));
    const round = Object.fromEntries(samples) as Round<V>;
    rounds.push(round);
    work.onRound?.(round, rounds.length);
  }
  return rounds;
}

function isKnown(values: readonly number[]): boolean {
  if (values.length < fewestRounds) return false;
  const { low, high } = medianInterval(values);
  return high - low < 2 * precision;
}

/** How many times as long as its base a variant took, in each round that has both. */
export function ratios<V extends string>(
  rounds: readonly Round<V>[],
  [variant, base]: Comparison<V>,
): number[] {
  return rounds.flatMap((round) => {
    const [one, other] = [round[variant], round[base]];
    return one && other ? [one.seconds / other.seconds] : [];
  });
}

/** What one variant's runs gave. */
export function samplesOf<V extends string>(rounds: readonly Round<V>[], variant: V): Sample[] {
  return rounds.flatMap((round) => round[variant] ?? []);
}

/** Times that a piece of work has to be done for a run to last `seconds`, when once takes `once` seconds. */
export function repetitions(once: number, seconds: number): number {
  return Math.max(1, Math.ceil(seconds / once));
}
