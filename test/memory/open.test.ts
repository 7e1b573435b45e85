import fc from 'fast-check';
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMemory } from '../../src/memory/open.js';
import { scan } from '../../src/memory/scan.js';
import { writeElfCore } from './elf-writer.js';
import { codeOf, codeOfAsync } from '../error-code.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ouassister-memory-'));
  path = join(folder, 'image');
});

afterEach(() => rmSync(folder, { recursive: true }));

function pattern(length: number, seed: number): Buffer {
  return Buffer.from(Array.from({ length }, (_, index) => (index * 31 + seed) & 0xff));
}

describe('openMemory', () => {
  test('reads an ELF core by physical address, across adjacent segments and the edges of the cache', async () => {
    const low = pattern(100_000, 1);
    const high = pattern(50_000, 2);
    writeFileSync(
      path,
      writeElfCore([
        { address: 0x100000, bytes: low },
        { address: 0x100000 + low.length, bytes: high },
        { address: 2 ** 33, bytes: pattern(4096, 3) },
      ]),
    );
    using memory = await openMemory(path);
    expect(memory.format).toBe('elf');
    expect(memory.architecture).toBe('x86-64');
    expect(memory.ranges).toEqual([
      { start: 0x100000, end: 0x100000 + 150_000 },
      { start: 2 ** 33, end: 2 ** 33 + 4096 },
    ]);
    const all = Buffer.concat([low, high]);
    fc.assert(
      fc.property(fc.nat(all.length - 1), fc.nat(70_000), (start, length) => {
        const end = Math.min(all.length, start + length);
        expect(memory.read(0x100000 + start, end - start).equals(all.subarray(start, end))).toBe(true);
      }),
    );
    expect(memory.read(2 ** 33, 4096).equals(pattern(4096, 3))).toBe(true);
    expect(codeOf(() => memory.read(0x100000 - 1, 2))).toBe('MEMORY_HOLE');
    expect(codeOf(() => memory.read(0x100000 + all.length - 1, 2))).toBe('MEMORY_HOLE');
  });

  test('takes the first of two segments for the same page, as paging dumps have them', async () => {
    const first = pattern(8192, 1);
    writeFileSync(
      path,
      writeElfCore([
        { address: 0, bytes: first },
        { address: 4096, bytes: pattern(8192, 9) },
      ]),
    );
    using memory = await openMemory(path);
    expect(memory.ranges).toEqual([{ start: 0, end: 12288 }]);
    expect(memory.read(0, 8192).equals(first)).toBe(true);
    expect(memory.read(8192, 4096).equals(pattern(8192, 9).subarray(4096))).toBe(true);
  });

  test('reads every byte of a paging dump, however its segments lie in each other', async () => {
    const pages = 24;
    const all = pattern(pages * 4096, 3);
    const segment = fc
      .tuple(fc.nat(pages - 1), fc.integer({ min: 1, max: pages }))
      .map(([first, count]) => ({ first, end: Math.min(pages, first + count) }));
    await fc.assert(
      fc.asyncProperty(fc.array(segment, { minLength: 1, maxLength: 12 }), async (segments) => {
        writeFileSync(
          path,
          writeElfCore(
            segments.map(({ first, end }) => ({
              address: first * 4096,
              bytes: all.subarray(first * 4096, end * 4096),
            })),
          ),
        );
        using memory = await openMemory(path);
        for (let page = 0; page < pages; page++) {
          const read = () =>
            memory.read(page * 4096, 4096).equals(all.subarray(page * 4096, (page + 1) * 4096));
          if (segments.some(({ first, end }) => first <= page && page < end)) expect(read()).toBe(true);
          else expect(codeOf(read)).toBe('MEMORY_HOLE');
        }
      }),
    );
  });

  test('reads raw memory when it is named, and refuses what nothing marks', async () => {
    const bytes = pattern(8192, 5);
    writeFileSync(path, bytes);
    using memory = await openMemory(path, { format: 'raw' });
    expect(memory.read(100, 5000).equals(bytes.subarray(100, 5100))).toBe(true);
    expect(await codeOfAsync(() => openMemory(path))).toBe('MEMORY_FORMAT');
    expect(await codeOfAsync(() => openMemory(path, { format: 'floppy' }))).toBe('USAGE');
    expect(await codeOfAsync(() => openMemory(join(folder, 'nothing')))).toBe('FILE_MISSING');
    writeFileSync(path, '');
    expect(await codeOfAsync(() => openMemory(path))).toBe('MEMORY_FORMAT');
  });

  test('every truncation is told', async () => {
    const image = writeElfCore([{ address: 0, bytes: pattern(9000, 1) }]);
    writeFileSync(path, image);
    for (let length = image.length - 1; length >= 20; length -= 401) {
      truncateSync(path, length);
      expect(await codeOfAsync(() => openMemory(path))).toBe('MEMORY_TRUNCATED');
    }
  });

  test('a damaged header is refused or read, and never worse', async () => {
    const image = writeElfCore([{ address: 0, bytes: pattern(9000, 1) }]);
    await fc.assert(
      fc.asyncProperty(fc.nat(64 + 2 * 56 - 1), fc.nat(255), async (at, value) => {
        const damaged = Buffer.from(image);
        damaged[at] = value;
        writeFileSync(path, damaged);
        const code = await codeOfAsync(async () => {
          using memory = await openMemory(path);
          for (const { start, end } of memory.ranges) memory.read(start, Math.min(end - start, 4096));
        });
        expect(['none', 'MEMORY_FORMAT', 'MEMORY_TRUNCATED']).toContain(code);
      }),
      { numRuns: 300 },
    );
  });

  test('another architecture is named', async () => {
    writeFileSync(path, writeElfCore([{ address: 0, bytes: pattern(4096, 1) }], 183));
    using memory = await openMemory(path);
    expect(memory.architecture).toBe('aarch64');
  });
});

describe('scan', () => {
  test('finds every place, also across its own windows', async () => {
    const bytes = Buffer.alloc(9 * 1024 * 1024);
    const needle = Buffer.from('needle');
    const places = [0, 5, 4 * 1024 * 1024 - 3, 8 * 1024 * 1024 - 6, bytes.length - needle.length];
    for (const place of places) needle.copy(bytes, place);
    needle.copy(bytes, 1);
    writeFileSync(path, bytes.subarray(0, bytes.length - (bytes.length % 4096)));
    using memory = await openMemory(path, { format: 'raw' });
    const expected = [];
    for (let at = bytes.indexOf(needle); at >= 0; at = bytes.indexOf(needle, at + 1)) expected.push(at);
    expect([...scan(memory, needle)]).toEqual(expected);
    expect([...scan(memory, needle, { start: 2, end: 4 * 1024 * 1024 })]).toEqual(
      expected.filter((at) => at >= 2 && at + needle.length <= 4 * 1024 * 1024),
    );
  });
});
