import fc from 'fast-check';
import { Aarch64Paging, findAarch64Paging, type GranuleShift } from '../../src/kernel/paging-aarch64.js';
import { BufferMemory } from '../memory/buffer-memory.js';

const tableBytes = 64 * 1024;

/** Builds page tables in a small memory: entry by entry as the Arm ARM has them, with whatever bits do not matter. */
class Tables {
  readonly memory = new BufferMemory(Buffer.alloc(40 * tableBytes));
  #next = 1;

  constructor(
    readonly granule: GranuleShift,
    readonly bits: number,
    readonly root = 0,
  ) {}

  /** Maps a page (level 1) or a block of the level. */
  map(virtual: bigint, physical: number, level = 1): void {
    const per = this.granule - 3;
    const address = BigInt.asUintN(this.bits, virtual);
    let table = this.root;
    for (let at = Math.ceil((this.bits - this.granule) / per); at >= level; at--) {
      const shift = BigInt(this.granule + per * (at - 1));
      const slot = table + Number((address >> shift) & ((1n << BigInt(per)) - 1n)) * 8;
      if (at === level) {
        // XN bits, AF, and AttrIndx: not part of the address
        this.#write(slot, physical, level === 1 ? 0x403n | (1n << 54n) : 0x401n | (1n << 53n));
        return;
      }
      if (this.memory.bytes.readBigUInt64LE(slot) === 0n) this.#write(slot, this.#next++ * tableBytes, 3n);
      table = Number(this.memory.bytes.readBigUInt64LE(slot) & 0xffffffff0000n);
    }
  }

  #write(slot: number, physical: number, flags: bigint): void {
    const address = BigInt(physical);
    let entry = (address & 0xffffffffffffn) | flags;
    const high = address >> 48n;
    if (this.granule === 16) entry |= high << 12n;
    else if (this.bits === 52) entry |= ((high & 3n) << 48n) | ((high >> 2n) << 8n);
    // Without FEAT_LPA2 the same bits say that it is inner shareable.
    else entry |= 3n << 8n;
    this.memory.bytes.writeBigUInt64LE(entry, slot);
  }
}

const kernelStart = (bits: number) => 2n ** 64n - 2n ** BigInt(bits);

const configurations: [GranuleShift, number][] = [
  [12, 39],
  [12, 48],
  [12, 52],
  [14, 36],
  [14, 47],
  [14, 48],
  [14, 52],
  [16, 42],
  [16, 48],
  [16, 52],
];

describe.each(configurations)('granules of 2^%i bytes, %i bits', (granule, bits) => {
  const page = 2 ** granule;
  const block = 2 ** (2 * granule - 3);

  test('translates pages and blocks of the kernel, and nothing else', () => {
    const tables = new Tables(granule, bits);
    const image = kernelStart(bits) + 0x18000000n;
    const linear = kernelStart(bits) + BigInt(64 * block);
    tables.map(image, 16 * page, 1);
    tables.map(linear, 4 * block, 2);
    const space = new Aarch64Paging(granule, bits).kernelSpace(tables.memory, 0);
    expect(space.translate(image + 0x123n)).toBe(16 * page + 0x123);
    expect(space.translate(image + BigInt(page - 1))).toBe(17 * page - 1);
    expect(space.translate(linear + BigInt(block - 5))).toBe(5 * block - 5);
    for (const address of [image + BigInt(page), image - 1n, linear - 1n, linear + BigInt(block), 0n])
      expect(space.translate(address)).toBeUndefined();
    // The same bits below, but a process's address.
    expect(space.translate(BigInt.asUintN(bits, image))).toBeUndefined();
  });

  test("translates a process's addresses", () => {
    const tables = new Tables(granule, bits);
    tables.map(0x400000n, 32 * page);
    const space = new Aarch64Paging(granule, bits).userSpace(tables.memory, 0);
    expect(space.translate(0x400010n)).toBe(32 * page + 0x10);
    expect(space.translate(kernelStart(bits) + 0x400010n)).toBeUndefined();
  });

  test('is told from the others by what it maps', () => {
    const tables = new Tables(granule, bits);
    const image = kernelStart(bits) + 0x18000000n;
    for (let index = 0; index < 4; index++) tables.map(image + BigInt(index * page), (64 + index) * page);
    const mapped = [0, 3].map(
      (index) => [image + BigInt(index * page) + 8n, (64 + index) * page + 8] as const,
    );
    const found = findAarch64Paging(tables.memory, 0, mapped);
    expect(found?.pageSize).toBe(page);
    expect(found?.virtualBits).toBe(bits);
    expect(findAarch64Paging(tables.memory, 0, [[image, 65 * page]])).toBeUndefined();
  });
});

test('physical addresses of 52 bits', () => {
  const high = 2 ** 51 + 2 ** 48 + 0x20000;
  for (const granule of [12, 14, 16] as const) {
    const tables = new Tables(granule, 52);
    tables.map(kernelStart(52) + 0x10000n, high);
    const space = new Aarch64Paging(granule, 52).kernelSpace(tables.memory, 0);
    expect(space.translate(kernelStart(52) + 0x10004n)).toBe(high + 4);
  }
});

test('page tables that are noise or point at themselves are walked and left', () => {
  fc.assert(
    fc.property(
      fc.infiniteStream(fc.nat(255)),
      fc.bigInt(0n, 2n ** 64n - 1n),
      fc.constantFrom(...configurations),
      (stream, address, [granule, bits]) => {
        const bytes = Buffer.from(Array.from({ length: 8192 }, () => stream.next().value as number));
        for (let at = 0; at < 512; at++) if (at % 3 === 0) bytes.writeBigUInt64LE(3n, at * 8);
        const paging = new Aarch64Paging(granule, bits);
        const memory = new BufferMemory(bytes);
        for (const space of [paging.kernelSpace(memory, 0), paging.userSpace(memory, 0)])
          space.translate(address);
      },
    ),
    { numRuns: 100 },
  );
});
