import fc from 'fast-check';
import { fileContent } from '../../src/guest/file-content.js';
import type { FileContent } from '../../src/guest/guest-files.js';
import { codeOf } from '../error-code.js';
import { Arena, syntheticKernel } from '../kernel/synthetic-kernel.js';
import { writeXarray, xarrayTypes, type StoredEntry } from '../kernel/xarray-writer.js';

const pageSize = 4096;
const frames = 64;
const pageStruct = 64;
const PG_uptodate = 2;

const types = {
  ...xarrayTypes,
  inode: { size: 64, members: { i_mapping: [48, 8], i_size: [56, 8] } },
  address_space: { size: 64, members: { i_pages: [8, 16] } },
  page: {
    size: pageStruct,
    members: { flags: [0, 8], compound_head: [8, 8], mapping: [24, 8], index: [32, 8] },
  },
} as const;

/** A page, a page that holds nothing yet, or a value: 2^order of them from `index` on. */
interface Cached {
  readonly index: number;
  readonly order?: number;
  readonly kind: 'data' | 'reserved' | 'value';
}

/** Memory whose first frames are for files' pages and filled with their own numbers. */
class CacheArena extends Arena {
  readonly base = this.allocate(8);
  readonly vmemmap: bigint;
  readonly inode = this.allocate(64);
  readonly mapping = this.allocate(64);
  #nextFrame = 0;

  constructor() {
    super(pageSize * frames + (1 << 17), pageSize * frames);
    this.vmemmap = this.allocate(frames * pageStruct, frames * pageStruct);
    this.u64(this.base, this.vmemmap);
    this.u64(this.inode + 48n, this.mapping);
    for (let frame = 0; frame < frames; frame++)
      this.bytes.fill(frame + 1, frame * pageSize, (frame + 1) * pageSize);
  }

  page(frame: number): bigint {
    return this.vmemmap + BigInt(frame * pageStruct);
  }

  /** A folio in the next free frames; returns its struct page. */
  folio(index: number, order: number, upToDate: boolean): bigint {
    const first = Math.ceil(this.#nextFrame / 2 ** order) * 2 ** order;
    this.#nextFrame = first + 2 ** order;
    const head = this.page(first);
    this.u64(head, BigInt(Number(upToDate)) << BigInt(PG_uptodate));
    this.u64(head + 24n, this.mapping);
    this.u64(head + 32n, BigInt(index));
    for (let tail = 1; tail < 2 ** order; tail++) this.u64(this.page(first + tail) + 8n, head + 1n);
    return head;
  }

  content(size: bigint, entries: readonly StoredEntry[], memoryOnly: boolean): FileContent {
    writeXarray(this, entries, this.mapping + 8n);
    this.u64(this.inode + 56n, size);
    const kernel = syntheticKernel(this.memory(), {
      structs: types,
      enums: { PG_uptodate },
      symbols: { vmemmap_base: this.base },
    });
    return fileContent(kernel, kernel.view('inode', this.inode), memoryOnly);
  }
}

function cached(size: number, pages: readonly Cached[], memoryOnly: boolean) {
  const arena = new CacheArena();
  const entries = pages.map(({ index, order = 0, kind }) => ({
    index,
    order,
    entry: kind === 'value' ? 0x1234_5601n : arena.folio(index, order, kind === 'data'),
  }));
  return arena.content(BigInt(size), entries, memoryOnly);
}

/** The content with zeros where nothing is, and `?` where bytes are absent. */
function whole(content: FileContent): Buffer {
  const bytes = Buffer.alloc(content.size);
  for (const { start, end } of content.absent) bytes.fill('?', start, end);
  for (const { offset, bytes: piece } of content.pieces()) piece.copy(bytes, offset);
  return bytes;
}

const filled = (value: number, length = pageSize) => Buffer.alloc(length, value);

describe('what memory has of a file', () => {
  test('in tmpfs: pages, holes, and pages that were only reserved', () => {
    const content = cached(
      5 * pageSize - 96,
      [
        { index: 1, kind: 'data' },
        { index: 3, kind: 'reserved' },
        { index: 4, kind: 'data' },
      ],
      true,
    );
    expect(content.absent).toEqual([]);
    expect(whole(content)).toEqual(
      Buffer.concat([filled(0), filled(1), filled(0), filled(0), filled(3, pageSize - 96)]),
    );
    expect([...content.pieces()].map(({ offset }) => offset)).toEqual([pageSize, 4 * pageSize]);
  });

  test('in tmpfs: what is in swap is absent', () => {
    const { absent } = cached(
      4 * pageSize,
      [
        { index: 0, kind: 'data' },
        { index: 1, kind: 'value' },
        { index: 2, kind: 'value' },
      ],
      true,
    );
    expect(absent).toEqual([{ start: pageSize, end: 3 * pageSize, reason: 'swapped out' }]);
  });

  test('of a disk: what is not cached, or not yet read, is absent', () => {
    const content = cached(
      5 * pageSize + 1,
      [
        { index: 1, kind: 'data' },
        { index: 2, kind: 'reserved' },
        { index: 3, kind: 'value' },
        { index: 9, kind: 'data' },
      ],
      false,
    );
    expect(content.absent).toEqual([
      { start: 0, end: pageSize, reason: 'not cached' },
      { start: 2 * pageSize, end: 3 * pageSize, reason: 'not read from the disk yet' },
      { start: 3 * pageSize, end: 5 * pageSize + 1, reason: 'not cached' },
    ]);
    expect([...content.pieces()]).toEqual([{ offset: pageSize, bytes: filled(1) }]);
  });

  test('is a large folio’s pages, too', () => {
    const content = cached(11 * pageSize, [{ index: 8, order: 2, kind: 'data' }], true);
    expect(whole(content).subarray(8 * pageSize)).toEqual(Buffer.concat([filled(1), filled(2), filled(3)]));
  });

  test('is a large folio’s pages when those behind the first have a mask that leads to it (7.0)', () => {
    const read = (mask: bigint) => {
      const arena = new CacheArena();
      arena.folio(0, 2, true);
      const head = arena.folio(0, 2, true);
      for (let tail = 1; tail < 4; tail++) arena.u64(head + BigInt(tail * pageStruct) + 8n, mask + 1n);
      return whole(arena.content(BigInt(4 * pageSize), [{ index: 0, order: 2, entry: head }], true));
    };
    expect(read(-4n * BigInt(pageStruct))).toEqual(
      Buffer.concat([filled(5), filled(6), filled(7), filled(8)]),
    );
    for (const mask of [-2n, -8n, -3n]) expect(codeOf(() => read(mask * 64n))).toBe('GUEST_INCONSISTENT');
  });

  test('is found when each page of a large one has an entry that points at the first (5.10)', () => {
    const arena = new CacheArena();
    const head = arena.folio(0, 2, true);
    const entries = [0, 1, 2, 3].map((index) => ({ index, order: 0, entry: head }));
    expect(whole(arena.content(BigInt(4 * pageSize), entries, true))).toEqual(
      Buffer.concat([filled(1), filled(2), filled(3), filled(4)]),
    );
  });

  test('is nothing for an empty file', () => {
    expect(cached(0, [{ index: 0, kind: 'reserved' }], true)).toMatchObject({ size: 0, absent: [] });
    expect(cached(0, [], false)).toMatchObject({ size: 0, absent: [] });
  });

  test('does not list more ranges than anyone reads', () => {
    const swapped = Array.from({ length: 1100 }, (_, number) => ({
      index: number * 2,
      kind: 'value' as const,
    }));
    const { absent } = cached(2 ** 40, swapped, true);
    expect(absent).toHaveLength(1000);
    expect(absent.at(-1)).toEqual({ start: 1998 * pageSize, end: 2 ** 40, reason: 'swapped out' });
  });

  test('is the same as in a plain array, whatever is cached', () => {
    const page = fc.record({
      index: fc.nat(30),
      kind: fc.constantFrom('data' as const, 'reserved' as const, 'value' as const),
    });
    fc.assert(
      fc.property(
        fc.uniqueArray(page, { selector: ({ index }) => index, maxLength: 30 }),
        fc.nat(31 * pageSize),
        fc.boolean(),
        (pages, size, memoryOnly) => {
          const sorted = pages.sort((a, b) => a.index - b.index);
          const model = Buffer.alloc(31 * pageSize, memoryOnly ? 0 : '?');
          let frame = 0;
          for (const { index, kind } of sorted) {
            if (kind !== 'value') frame++;
            if (kind === 'data') model.fill(frame, index * pageSize, (index + 1) * pageSize);
            if (kind === 'value') model.fill('?', index * pageSize, (index + 1) * pageSize);
          }
          const found = whole(cached(size, sorted, memoryOnly));
          expect(found.equals(model.subarray(0, size))).toBe(true);
        },
      ),
    );
  });
});

describe('a page cache that contradicts itself is refused', () => {
  const one = (damage: (arena: CacheArena, page: bigint) => bigint | void, size = 1n) => {
    const arena = new CacheArena();
    const page = arena.folio(0, 1, true);
    const entry = damage(arena, page) ?? page;
    return codeOf(() => arena.content(size, [{ index: 0, order: 0, entry }], true));
  };
  test.each<[string, (arena: CacheArena, page: bigint) => bigint | void]>([
    ['a page of another file', (arena, page) => arena.u64(page + 24n, 64n)],
    ['a page of another place', (arena, page) => arena.u64(page + 32n, 7n)],
    ['a page in the middle of a folio', (arena, page) => arena.u64(page + 8n, page + 1n)],
    ['a pointer that is no page', (_, page) => page + 8n],
    ['a pointer before all pages', (arena) => arena.inode],
    ['a pointer to nothing', () => 0xffff_ffff_ffff_f000n],
  ])('%s', (_, damage) => {
    expect(one(() => undefined)).toBe('none');
    expect(one(damage)).toBe('GUEST_INCONSISTENT');
  });

  test('a folio that is shorter than its entry', () => {
    const arena = new CacheArena();
    const page = arena.folio(0, 1, true);
    const entries = [{ index: 0, order: 2, entry: page }];
    expect(codeOf(() => arena.content(BigInt(4 * pageSize), entries, true))).toBe('GUEST_INCONSISTENT');
  });

  test('a size that no file can have', () => {
    expect(one(() => undefined, 2n ** 63n)).toBe('GUEST_INCONSISTENT');
    expect(one(() => undefined, 2n ** 53n)).toBe('GUEST_INCONSISTENT');
  });

  test('a frame that is not in the image', () => {
    const arena = new CacheArena();
    arena.u64(arena.base, arena.vmemmap - 4000n * BigInt(pageStruct));
    const page = arena.folio(0, 0, true);
    const content = arena.content(1n, [{ index: 0, order: 0, entry: page }], true);
    expect(codeOf(() => [...content.pieces()])).toBe('MEMORY_HOLE');
  });
});
