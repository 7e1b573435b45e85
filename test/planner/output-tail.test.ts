import { OutputTail } from '../../src/planner/output-tail.js';

function feed(...chunks: string[]): { seen: string[]; tail: OutputTail } {
  const seen: string[] = [];
  const tail = new OutputTail((line) => seen.push(line));
  for (const chunk of chunks) tail.write(chunk);
  tail.end();
  return { seen, tail };
}

test('lines come whole, however they were cut into chunks', () => {
  expect(feed('Reading pack', 'age lists...\nDone\r\n', '\nlast').seen).toEqual([
    'Reading package lists...',
    'Done',
    'last',
  ]);
});

test('only the last lines are kept, and each is bounded', () => {
  const { tail } = feed(...Array.from({ length: 100 }, (_, i) => `line ${i}\n`), 'x'.repeat(1 << 20));
  expect(tail.lines).toHaveLength(20);
  expect(tail.lines[0]).toBe('line 81');
  expect(tail.lines.at(-1)).toHaveLength(4096);
});

test('what was said around a failure is kept, whatever is said after it', () => {
  const tail = new OutputTail(() => undefined);
  const say = (from: number, to: number) => {
    for (let line = from; line <= to; line++) tail.write(`${line}\n`);
  };
  const numbers = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, at) => String(from + at));
  say(1, 50);
  expect(tail.position).toBe(50);
  tail.mark(30);
  expect(tail.lines).toEqual(numbers(31, 50));
  say(51, 70);
  expect(tail.lines).toEqual(numbers(31, 70));
  say(71, 100);
  expect(tail.lines).toEqual([...numbers(31, 60), '…', ...numbers(81, 100)]);
  tail.mark(100);
  expect(tail.lines).toEqual(numbers(81, 100));
  say(101, 500);
  tail.mark(100);
  expect(tail.lines).toEqual(numbers(301, 500));
});
