import fc from 'fast-check';
import { findKallsyms, kallsymsIn } from '../../src/kernel/kallsyms-find.js';
import { Kallsyms } from '../../src/kernel/kallsyms.js';
import { BufferMemory } from '../memory/buffer-memory.js';
import { writeKallsyms, type KallsymsShape, type Symbol } from './kallsyms-writer.js';

const base = 0xffffffffad000000n;

const shapes: [string, KallsymsShape][] = [
  ['6.1', { offsetsLast: false, absolutePercpu: true, sequence: true, relativeBase: base }],
  ['5.10', { offsetsLast: false, absolutePercpu: true, sequence: false, relativeBase: base }],
  ['6.12', { offsetsLast: true, absolutePercpu: true, sequence: false, relativeBase: base }],
  ['6.16', { offsetsLast: true, absolutePercpu: false, sequence: true, relativeBase: base }],
];

function symbols(count: number, absolute: boolean): Symbol[] {
  const list: Symbol[] = [];
  if (absolute)
    list.push(
      { address: 0n, type: 'A', name: 'fixed_percpu_data' },
      { address: 0x31980n, type: 'A', name: 'runqueues' },
    );
  for (let index = 0; index < count; index++)
    list.push({
      address: base + BigInt(index * 48),
      type: 'tTdDbBrR'[index % 8] ?? 't',
      name: `sym_${index.toString(36)}_${'x'.repeat(index % 30)}`,
    });
  // longer than 127 bytes when compressed: the length takes two bytes
  list.push({ address: base + 0x1000000n, type: 'T', name: `long_${'q1w2'.repeat(60)}` });
  return list;
}

/** The tables at some place of read-only data, among other things that look a little like them. */
function surround(tables: Buffer): Buffer {
  const digits = Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0:\0');
  return Buffer.concat([
    Buffer.alloc(4096, 0x41),
    digits,
    Buffer.alloc(4096 - digits.length),
    tables,
    Buffer.alloc(8192),
  ]);
}

describe.each(shapes)('kallsyms as %s lays it out', (_, shape) => {
  const list = symbols(3000, shape.absolutePercpu);
  const region = surround(writeKallsyms(list, shape, ['sy', 'm_', 'xx', 'q1']));

  test('every symbol is found with its address, by name and by place', () => {
    const tables = findKallsyms(new BufferMemory(region), 0, region.length);
    expect(tables?.count).toBe(list.length);
    const kallsyms = new Kallsyms(tables as NonNullable<typeof tables>);
    for (const [index, { name, address }] of list.entries()) {
      expect(kallsyms.nameAt(index)).toBe(name);
      expect(kallsyms.address(name)).toBe(address);
    }
    expect(kallsyms.address('sym_')).toBeUndefined();
    expect(kallsyms.address('')).toBeUndefined();
  });

  test('symbols that are not in the order of their addresses are no table', () => {
    const swapped = [...list];
    const [first, second] = [swapped[900], swapped[901]] as [Symbol, Symbol];
    swapped.splice(900, 2, { ...first, address: second.address }, { ...second, address: first.address });
    const torn = surround(writeKallsyms(swapped, shape));
    expect(findKallsyms(new BufferMemory(torn), 0, torn.length)).toBeUndefined();
  });

  test('damage in the names or the tables is noticed, or changes nothing else', () => {
    fc.assert(
      fc.property(fc.nat(region.length - 1), fc.nat(255), (at, value) => {
        const damaged = Buffer.from(region);
        damaged[at] = value;
        const tables = findKallsyms(new BufferMemory(damaged), 0, damaged.length);
        if (!tables) return;
        const kallsyms = new Kallsyms(tables);
        for (let index = 0; index < kallsyms.count; index += 97) {
          kallsyms.nameAt(index);
          kallsyms.addressAt(index);
        }
      }),
      { numRuns: 60 },
    );
  });
});

test('memory without kallsyms has none, whatever stands in it', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 4096, maxLength: 8192 }), (bytes) => {
      expect(findKallsyms(new BufferMemory(Buffer.from(bytes)), 0, bytes.length)).toBeUndefined();
    }),
    { numRuns: 50 },
  );
  const runs = Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0'.repeat(50_000), 'latin1');
  expect(findKallsyms(new BufferMemory(runs), 0, runs.length)).toBeUndefined();
});

test('tables of an aarch64 file, whose base the loader is to write', () => {
  const shape: KallsymsShape = { offsetsLast: true, absolutePercpu: false, sequence: true, relativeBase: 0n };
  const list = symbols(3000, false).map((symbol) => ({ ...symbol, address: symbol.address - base }));
  const region = surround(writeKallsyms(list, shape));
  // Of a running kernel that is no table: zeros may stand anywhere.
  expect(kallsymsIn(region)).toBeUndefined();
  const kallsyms = new Kallsyms(kallsymsIn(region, false)!);
  for (const { name, address } of list) expect(kallsyms.address(name)).toBe(address);
});

test.each([0, 4])(
  'tables of 7.x, whose offsets count from their own places (%i bytes further on)',
  (shift) => {
    // Places in the region: the tables start behind 8192 bytes, and the symbols are around them.
    const list = symbols(3000, false).map((symbol, index) => ({
      ...symbol,
      address: BigInt(index * 16) - 20_000n,
    }));
    const tables = writeKallsyms(
      list,
      {
        ...{ offsetsLast: true, absolutePercpu: false, sequence: true, placeRelative: true },
        relativeBase: BigInt(8192 + shift),
      },
      ['sy', 'm_', 'xx'],
    );
    const region = Buffer.concat([Buffer.alloc(shift), surround(tables)]);
    const kallsyms = new Kallsyms(kallsymsIn(region)!, base);
    expect(kallsyms.isPlaceRelative).toBe(true);
    for (const { name, address } of list) expect(kallsyms.address(name)).toBe(base + address);
  },
);
