import fc from 'fast-check';
import { PageBitmap } from '../../src/memory/bitmap.js';
import type { ByteSource } from '../../src/memory/source.js';

/** A source that is a buffer. */
function sourceOf(bytes: Buffer): ByteSource {
  return {
    path: 'buffer',
    size: bytes.length,
    readInto: (offset, target) => void bytes.copy(target, 0, offset, offset + target.length),
    read: (offset, length) => bytes.subarray(offset, offset + length),
    [Symbol.dispose]() {
      // nothing is held
    },
  };
}

test('bits, runs and ranks are those of the pages', () => {
  const runs = fc.array(fc.tuple(fc.nat(3000), fc.integer({ min: 1, max: 9000 })), { maxLength: 8 });
  fc.assert(
    fc.property(runs, fc.nat(9), fc.nat(100), (parts, spare, offset) => {
      const set: boolean[] = [];
      for (const [gap, length] of parts)
        set.push(...new Array<boolean>(gap).fill(false), ...new Array<boolean>(length).fill(true));
      set.push(...new Array<boolean>(spare).fill(false));
      const bytes = Buffer.alloc(offset + Math.ceil(set.length / 8) + 1, 0xff);
      for (let page = 0; page < Math.ceil(set.length / 8) * 8; page++)
        if (page < set.length && !set[page]) bytes[offset + (page >>> 3)]! &= ~(1 << (page & 7));
      const bitmap = new PageBitmap(sourceOf(bytes), offset, set.length);
      const fromRuns = new Array<boolean>(set.length).fill(false);
      for (const [first, end] of bitmap.runs()) fromRuns.fill(true, first, end);
      expect(fromRuns).toEqual(set);
      const counts = bitmap.countGroups();
      expect(counts.at(-1)).toBe(set.filter(Boolean).length);
      for (const page of [0, 1, 7, 8, 4095, 4096, 4097, set.length - 1].filter(
        (one) => one >= 0 && one < set.length,
      )) {
        expect(bitmap.has(page)).toBe(set[page]);
        expect(bitmap.rank(page, counts)).toBe(set.slice(0, page).filter(Boolean).length);
      }
      expect(bitmap.has(set.length)).toBe(false);
    }),
    { numRuns: 60 },
  );
});
