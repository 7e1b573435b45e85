import fc from 'fast-check';
import { BufferMemory } from '../../memory/buffer-memory.js';
import { OverlayMemory, pageSize } from './overlay.js';

const size = 8 * pageSize;
const start = 0x10000;

const pattern = () => Buffer.from(Uint8Array.from({ length: size }, (_, index) => (index * 7) & 0xff));

test('reads what a copy of the memory with the same writes would read, and the memory below stays', () => {
  const place = fc.record({
    at: fc.integer({ min: 0, max: size - 1 }),
    length: fc.integer({ min: 1, max: 3 * pageSize }),
    fill: fc.integer({ min: 0, max: 255 }),
  });
  fc.assert(
    fc.property(fc.array(place, { maxLength: 5 }), place, (writes, read) => {
      const below = pattern();
      const copy = pattern();
      const overlay = new OverlayMemory(new BufferMemory(below, start));
      for (const { at, length, fill } of writes) {
        const bytes = Buffer.alloc(Math.min(length, size - at), fill);
        overlay.write(start + at, bytes);
        bytes.copy(copy, at);
      }
      const length = Math.min(read.length, size - read.at);
      const wanted = copy.subarray(read.at, read.at + length);
      const target = Buffer.alloc(length);
      overlay.readInto(start + read.at, target);
      expect(overlay.read(start + read.at, length).equals(wanted) && target.equals(wanted)).toBe(true);
      expect(below.equals(pattern())).toBe(true);
    }),
  );
});

test('memory can be cut and added', () => {
  const overlay = new OverlayMemory(new BufferMemory(pattern(), start));
  overlay.cut(start + 2 * pageSize + 10);
  overlay.add(0x100000, Buffer.alloc(2 * pageSize, 9));
  expect(overlay.ranges).toEqual([
    { start, end: start + 2 * pageSize + 10 },
    { start: 0x100000, end: 0x100000 + 2 * pageSize },
  ]);
  expect(overlay.read(0x100000 + 4000, 200)).toEqual(Buffer.alloc(200, 9));
  expect(overlay.read(start + 2 * pageSize, 10)).toEqual(pattern().subarray(2 * pageSize, 2 * pageSize + 10));
  for (const read of [() => overlay.read(start + 2 * pageSize, 11), () => overlay.read(0x90000, 8)])
    expect(read).toThrow(expect.objectContaining({ code: 'MEMORY_HOLE' }) as Error);
});

test('writes outside of the memory are left out', () => {
  const overlay = new OverlayMemory(new BufferMemory(pattern(), start));
  overlay.write(start + size - 2, Buffer.alloc(8, 1));
  overlay.write(0x500000, Buffer.alloc(8, 1));
  expect(overlay.read(start + size - 4, 4)).toEqual(
    Buffer.concat([pattern().subarray(size - 4, size - 2), Buffer.from([1, 1])]),
  );
});
