import fc from 'fast-check';
import { OuaError } from '../../src/base/errors.js';
import { xarrayEntries } from '../../src/kernel/xarray.js';
import { codeOf } from '../error-code.js';
import { Arena, syntheticKernel } from './synthetic-kernel.js';
import { writeXarray, xarrayTypes, type StoredEntry, type WrittenXarray } from './xarray-writer.js';

const value = (number: number) => (BigInt(number) << 1n) | 1n;
const pointer = (number: number) => 0xffff_8880_0000_0000n + BigInt(number) * 64n;

function walk(arena: Arena, { address }: WrittenXarray) {
  const kernel = syntheticKernel(arena.memory(), { structs: xarrayTypes });
  return [...xarrayEntries(kernel, address, 'things')];
}

const written = (entries: readonly StoredEntry[]) => {
  const arena = new Arena(1 << 16);
  return { arena, array: writeXarray(arena, entries) };
};

/** Entries of several orders that do not overlap. */
const storedEntries = fc
  .array(
    fc.record({
      place: fc.oneof(fc.nat(100), fc.nat(5000), fc.nat(2 ** 40)),
      order: fc.oneof(fc.constant(0), fc.nat(9)),
      isValue: fc.boolean(),
    }),
    { maxLength: 40 },
  )
  .map((wanted) => {
    const kept: StoredEntry[] = [];
    for (const [number, { place, order, isValue }] of wanted.entries()) {
      const span = 2 ** order;
      const index = place - (place % span);
      if (kept.some((other) => index < other.index + 2 ** other.order && other.index < index + span))
        continue;
      kept.push({ index, order, entry: isValue ? value(number) : pointer(number) });
    }
    return kept.sort((a, b) => a.index - b.index);
  });

describe('the entries of an xarray', () => {
  test('are what was stored, in the order of their indices', () => {
    fc.assert(
      fc.property(storedEntries, (entries) => {
        const arena = new Arena(1 << 19);
        expect(walk(arena, writeXarray(arena, entries))).toEqual(
          entries.map(({ index, order, entry }) => ({ index, span: 2 ** order, entry })),
        );
      }),
    );
  });

  test('of none and of one at the index 0 need no node', () => {
    const none = written([]);
    expect(walk(none.arena, none.array)).toEqual([]);
    const { arena, array } = written([{ index: 0, order: 0, entry: pointer(1) }]);
    expect(array.nodes).toEqual([]);
    expect(walk(arena, array)).toEqual([{ index: 0, span: 1, entry: pointer(1) }]);
  });

  test('that are reserved read as nothing', () => {
    const { arena, array } = written([{ index: 5, order: 0, entry: pointer(1) }]);
    arena.u64(array.nodes[0]! + 40n + 5n * 8n, (257n << 2n) | 2n);
    expect(walk(arena, array)).toEqual([]);
  });
});

describe('an xarray that cannot be right is refused', () => {
  const two = [
    { index: 5, order: 0, entry: pointer(1) },
    { index: 72, order: 2, entry: pointer(2) },
  ];
  const cases: Record<string, (arena: Arena, nodes: readonly bigint[], address: bigint) => void> = {
    'a node that counts another number of entries': (arena, [root]) => arena.u8(root! + 2n, 9),
    'a node with another parent': (arena, [, leaf]) => arena.u64(leaf! + 8n, 0n),
    'a node of another array': (arena, [, leaf]) => arena.u64(leaf! + 16n, 64n),
    'a node of another place': (arena, [, leaf]) => arena.u8(leaf! + 1n, 3),
    'a node of another height': (arena, [, leaf]) => arena.u8(leaf!, 6),
    'a root of no height there is': (arena, [root]) => arena.u8(root!, 5),
    'a root below itself': (arena, [root]) => arena.u64(root! + 40n, root! + 2n),
    'a node below the lowest': (arena, [root, leaf]) => arena.u64(leaf! + 40n + 5n * 8n, root! + 2n),
    'a retry entry': (arena, [, leaf]) => arena.u64(leaf! + 40n + 5n * 8n, (256n << 2n) | 2n),
    'a sibling of nothing': (arena, [, , leaf]) => arena.u64(leaf! + 40n + 8n * 8n, (3n << 2n) | 2n),
    'an entry of three slots': (arena, [, , leaf]) => {
      arena.u64(leaf! + 40n + 11n * 8n, 0n);
      arena.u8(leaf! + 2n, 3);
    },
    'a head that is a marker': (arena, _, address) => arena.u64(address + 8n, (256n << 2n) | 2n),
    'a node nowhere': (arena, [root]) => arena.u64(root! + 40n, 0x7fff_ffff_ffff_0002n),
  };
  test.each(Object.entries(cases))('%s', (_, damage) => {
    const { arena, array } = written(two);
    expect(walk(arena, array)).toHaveLength(2);
    damage(arena, array.nodes, array.address);
    expect(codeOf(() => walk(arena, array))).toBe('GUEST_INCONSISTENT');
  });

  test('and no damage of it hangs or breaks the walk', () => {
    fc.assert(
      fc.property(
        storedEntries,
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (entries, changes) => {
          const arena = new Arena(1 << 19);
          const array = writeXarray(arena, entries);
          for (const [at, byte] of changes) {
            const node = array.nodes[at % array.nodes.length] ?? array.address;
            arena.u8(node + BigInt(at % 560), byte);
          }
          try {
            walk(arena, array);
          } catch (error) {
            expect(error).toBeInstanceOf(OuaError);
          }
        },
      ),
      { numRuns: 500 },
    );
  });
});
