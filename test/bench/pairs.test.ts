import fc from 'fast-check';
import { alternate, medianInterval, ratios, repetitions, type Round } from './pairs.js';

/** 1, 2, … n. */
const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1);

// Ranks of the order statistics around a median: any table of the sign test has them.
test.each([
  [6, 1, 6],
  [8, 1, 8],
  [9, 2, 8],
  [12, 3, 10],
  [20, 6, 15],
  [30, 10, 21],
])('of %i values the interval is from the %ith to the %ith', (count, low, high) => {
  expect(medianInterval(upTo(count))).toEqual({ median: (count + 1) / 2, low, high });
});

test('few values give their range', () => {
  expect(medianInterval([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3 });
  expect(() => medianInterval([])).toThrow(RangeError);
});

test('an interval encloses its median and knows nothing of the order', () => {
  const values = fc.array(fc.double({ min: 0.1, max: 100, noNaN: true }), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(values, (values) => {
      const interval = medianInterval(values);
      expect(interval.low).toBeLessThanOrEqual(interval.median);
      expect(interval.high).toBeGreaterThanOrEqual(interval.median);
      expect(medianInterval([...values].reverse())).toEqual(interval);
    }),
  );
});

/** Runs that take as long as they are told, by variant and round. */
async function alternated(
  seconds: Record<string, (round: number) => number>,
  rounds = 30,
  fewer: Record<string, number> = {},
) {
  const order: string[] = [];
  const runs = new Map<string, number>();
  const result = await alternate({
    variants: Object.keys(seconds),
    comparisons: Object.keys(seconds)
      .slice(1)
      .map((variant) => [variant, 'plain'] as const),
    rounds,
    fewer,
    run: (variant) => {
      order.push(variant);
      const run = runs.get(variant) ?? 0;
      runs.set(variant, run + 1);
      return Promise.resolve({ seconds: seconds[variant]!(run) });
    },
  });
  return { order, result };
}

test('a ratio that is clear ends with the sixth round, each beginning with another variant', async () => {
  const { order, result } = await alternated({ plain: () => 10, ours: (run) => 10.2 + (run % 2) / 10 });
  expect(result).toHaveLength(6);
  expect(order.slice(0, 4)).toEqual(['plain', 'ours', 'ours', 'plain']);
  expect(medianInterval(ratios(result, ['ours', 'plain'])).median).toBeCloseTo(1.025);
});

test('a variant whose ratio is known drops out, and one that stays unclear ends with the last round', async () => {
  const { result } = await alternated(
    { plain: () => 10, ours: () => 11, strace: (run) => 20 + (run % 3) },
    12,
  );
  const ran = (variant: string) => result.filter((round: Round<string>) => round[variant]).length;
  expect([ran('plain'), ran('ours'), ran('strace')]).toEqual([12, 6, 12]);
});

test('a variant of few rounds drops out after them, however unclear', async () => {
  const unclear = (run: number) => 20 + (run % 3);
  const { result } = await alternated({ plain: () => 10, ours: unclear, strace: unclear }, 9, { strace: 4 });
  const ran = (variant: string) => result.filter((round: Round<string>) => round[variant]).length;
  expect([ran('plain'), ran('ours'), ran('strace')]).toEqual([9, 9, 4]);
});

test('a variant that is compared with nothing runs along', async () => {
  const rounds = await alternate({
    variants: ['ours', 'strace', 'plain'],
    comparisons: [['ours', 'strace']],
    rounds: 30,
    run: () => Promise.resolve({ seconds: 1 }),
  });
  expect(rounds.map((round) => Object.keys(round).sort())).toEqual(
    Array<string[]>(6).fill(['ours', 'plain', 'strace']),
  );
});

test('work is repeated until it lasts long enough, and done once at least', () => {
  expect([repetitions(1.3, 11), repetitions(11, 11), repetitions(60, 11)]).toEqual([9, 1, 1]);
});
