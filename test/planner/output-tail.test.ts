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
