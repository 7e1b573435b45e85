import { Random } from './random.js';

test('the same seed and stream give the same numbers, others give others', () => {
  const numbers = (seed: number, stream: number) => {
    const random = new Random(seed, stream);
    return Array.from({ length: 8 }, () => random.u32());
  };
  expect(numbers(1, 2)).toEqual(numbers(1, 2));
  const first = [numbers(1, 2), numbers(1, 3), numbers(2, 2), numbers(2, 1)].map(([number]) => number);
  expect(new Set(first).size).toBe(4);
});

test('picks stay within their limits and reach all of them', () => {
  const random = new Random(7, 0);
  const seen = new Set(Array.from({ length: 500 }, () => random.below(5)));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4]);
  const few = Array.from({ length: 500 }, () => random.few(100));
  expect(Math.min(...few)).toBe(1);
  expect(Math.max(...few)).toBeLessThanOrEqual(100);
  expect(random.bytes(7)).toHaveLength(7);
  expect(() => random.pick([])).toThrow(RangeError);
});

test('weights count', () => {
  const random = new Random(7, 1);
  const rows = [
    { name: 'often', weight: 9 },
    { name: 'never', weight: 0 },
    { name: 'seldom', weight: 1 },
  ];
  const names = Array.from({ length: 1000 }, () => random.weighted(rows).name);
  const count = (name: string) => names.filter((each) => each === name).length;
  expect(count('never')).toBe(0);
  expect(count('seldom')).toBeGreaterThan(50);
  expect(count('often')).toBeGreaterThan(800);
});
