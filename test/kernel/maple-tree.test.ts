import fc from 'fast-check';
import { mapleEntries, type MapleEntry } from '../../src/kernel/maple-tree.js';
import { codeOf } from '../error-code.js';
import { mapleTypes, writeMapleTree } from './maple-writer.js';
import { Arena, syntheticKernel } from './synthetic-kernel.js';

const maxIndex = 2n ** 64n - 1n;

function read(arena: Arena, address: bigint): MapleEntry[] {
  return [...mapleEntries(syntheticKernel(arena.memory(), { structs: mapleTypes }), address, 'areas')];
}

/** Ascending ranges that do not touch what they should not. */
const ranges = fc
  .uniqueArray(fc.bigInt({ min: 0n, max: maxIndex }), { minLength: 0, maxLength: 400 })
  .map((bounds) => {
    const sorted = bounds.sort((a, b) => (a < b ? -1 : 1));
    const entries: MapleEntry[] = [];
    for (let at = 0; at + 1 < sorted.length; at += 2)
      entries.push({ first: sorted[at]!, last: sorted[at + 1]!, entry: BigInt(0x10000 + at * 64) });
    return entries;
  });

const many = (count: number): MapleEntry[] =>
  Array.from({ length: count }, (_, index) => ({
    first: BigInt(index * 0x3000),
    last: BigInt(index * 0x3000 + 0xfff),
    entry: BigInt(0x100000 + index * 256),
  }));

test.each(['range', 'arange'] as const)('what is written is read, through nodes of the kind %s', (inner) => {
  fc.assert(
    fc.property(ranges, fc.integer({ min: 2, max: inner === 'range' ? 16 : 10 }), (entries, fill) => {
      const arena = new Arena(1 << 20);
      expect(read(arena, writeMapleTree(arena, entries, inner, fill).address)).toEqual(entries);
    }),
    { numRuns: 60 },
  );
});

test('an entry for index 0 alone stands in the root, and no entry is nothing', () => {
  const arena = new Arena(1 << 14);
  const tree = arena.allocate(16);
  expect(read(arena, tree)).toEqual([]);
  arena.u64(tree + 8n, 0x5000n);
  expect(read(arena, tree)).toEqual([{ first: 0n, last: 0n, entry: 0x5000n }]);
});

const rootSlots = 80n;
test.each<[string, (arena: Arena, nodes: readonly bigint[]) => void]>([
  ['a child that names another parent', (arena, [, child]) => arena.u64(child!, 0x6n)],
  ['a root that is some tree’s, but not this one’s', (arena, [root]) => arena.u64(root!, 0x4001n)],
  ['a node that was freed: it is its own parent', (arena, [, child]) => arena.u64(child!, child!)],
  ['a child that is its parent', (arena, [root]) => arena.u64(root! + rootSlots, root! | (3n << 3n) | 4n)],
  [
    'a node of an unknown kind',
    (arena, [root, child]) => arena.u64(root! + rootSlots, child! | (9n << 3n) | 4n),
  ],
  ['pivots that descend', (arena, [, child]) => arena.u64(child! + 8n + 16n, 1n)],
  ['a pivot beyond the range of its node', (arena, [, child]) => arena.u64(child! + 8n + 16n, maxIndex - 1n)],
  ['a missing child', (arena, [root]) => arena.u64(root! + rootSlots + 8n, 0n)],
])('%s is no tree', (_, damage) => {
  const arena = new Arena(1 << 18);
  const { address, nodes } = writeMapleTree(arena, many(60), 'arange');
  expect(read(arena, address)).toHaveLength(60);
  damage(arena, nodes);
  expect(codeOf(() => read(arena, address))).toBe('GUEST_INCONSISTENT');
});

test('whatever a word of it is changed to, the walk ends with entries in order, or is refused', () => {
  fc.assert(
    fc.property(fc.nat(), fc.bigInt({ min: 0n, max: maxIndex }), (place, value) => {
      const arena = new Arena(1 << 18);
      const { address, nodes } = writeMapleTree(arena, many(60), 'range');
      arena.u64(nodes[place % nodes.length]! + BigInt((place % 32) * 8), value);
      const code = codeOf(() => {
        let end = -1n;
        for (const { first, last } of read(arena, address)) {
          if (first <= end || last < first) throw new Error('out of order');
          end = last;
        }
      });
      expect(['none', 'GUEST_INCONSISTENT']).toContain(code);
    }),
  );
});
