import fc from 'fast-check';
import { findImageMapping, X86Paging, type PagingLevels } from '../../src/kernel/paging-x86-64.js';
import { BufferMemory } from '../memory/buffer-memory.js';

/** Builds page tables in a small memory. */
class Tables {
  readonly memory = new BufferMemory(Buffer.alloc(256 * 4096));
  #next = 1;

  constructor(
    readonly levels: PagingLevels,
    readonly root = 0,
  ) {}

  /** Maps `size` (4 KiB, 2 MiB or 1 GiB) bytes. */
  map(virtual: bigint, physical: number, size: number): void {
    const last = size === 4096 ? 1 : size === 0x200000 ? 2 : 3;
    const address = BigInt.asUintN(57, virtual);
    let table = this.root;
    for (let level = this.levels as number; level > last; level--) {
      const at = table + Number((address >> BigInt(12 + 9 * (level - 1))) & 511n) * 8;
      const entry = this.memory.bytes.readBigUInt64LE(at);
      if (entry === 0n) this.memory.bytes.writeBigUInt64LE(BigInt(this.#next++ * 4096) | 0x67n, at);
      table = Number(this.memory.bytes.readBigUInt64LE(at) & 0xffffffffff000n);
    }
    const at = table + Number((address >> BigInt(12 + 9 * (last - 1))) & 511n) * 8;
    // NX and ignored bits must not matter
    const flags = (1n << 63n) | 0x163n | (last > 1 ? 0x80n : 0n);
    this.memory.bytes.writeBigUInt64LE(BigInt(physical) | flags, at);
  }
}

describe.each([4, 5] as const)('paging with %i levels', (levels) => {
  test('translates pages of every size, and nothing else', () => {
    const tables = new Tables(levels);
    tables.map(0xffff888000000000n, 0x40000000, 0x40000000);
    tables.map(0xffffffff81000000n, 0x2000000, 0x200000);
    tables.map(0x7ffff7ff1000n, 0x12345000, 4096);
    tables.map(0xffffc90000001000n, 2 ** 40 + 0x5000, 4096);
    const space = new X86Paging(levels).kernelSpace(tables.memory, 0);
    expect(space.translate(0xffff888012345678n)).toBe(0x40000000 + 0x12345678);
    expect(space.translate(0xffffffff811fffffn)).toBe(0x21fffff);
    expect(space.translate(0x7ffff7ff1abcn)).toBe(0x12345abc);
    expect(space.translate(0xffffc90000001008n)).toBe(2 ** 40 + 0x5008);
    // The last two are not canonical: the processor faults, whatever the tables hold.
    const canonicalBits = levels === 4 ? 47n : 56n;
    const wrong = [1n << 63n, 1n << canonicalBits].map((bit) => 0x7ffff7ff1000n | bit);
    for (const address of [0n, 0x7ffff7ff2000n, 0xffffffff81200000n, 0xffffffffffffffffn, ...wrong])
      expect(space.translate(address)).toBeUndefined();
  });

  test('finds where the image is mapped', () => {
    const tables = new Tables(levels);
    tables.map(0xffffffffad000000n, 0x1c600000, 0x200000);
    tables.map(0xffffffffad200000n, 0x1c800000, 0x200000);
    expect(findImageMapping(tables.memory, 0, 0x1c85fa00)).toEqual({
      virtual: 0xffffffffad25fa00n,
      paging: new X86Paging(levels),
    });
    expect(findImageMapping(tables.memory, 0, 0x1ca00000)).toBeUndefined();
  });
});

test('page tables that are noise or point at themselves are walked and left', () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat(255)), fc.bigInt(0n, 2n ** 64n - 1n), (stream, address) => {
      const bytes = Buffer.from(Array.from({ length: 8192 }, () => stream.next().value as number));
      for (let at = 0; at < 512; at++) if (at % 3 === 0) bytes.writeBigUInt64LE(0x67n, at * 8);
      for (const levels of [4, 5] as const)
        new X86Paging(levels).kernelSpace(new BufferMemory(bytes), 0).translate(address);
    }),
    { numRuns: 100 },
  );
});
