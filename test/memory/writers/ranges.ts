import type { PhysicalMemory } from '../../../src/memory/memory.js';
import { le32, le64, Output, pagesOf } from './output.js';
import { encodeSnappy } from './snappy.js';

/** LiME's format, version 1: each range behind its header. */
export function writeLime(path: string, memory: PhysicalMemory): void {
  using file = new Output(path);
  for (const { start, end } of memory.ranges) {
    file.write(le32(0x4c694d45, 1), le64(start, end - 1, 0));
    for (const bytes of windows(memory, start, end, 1 << 20)) file.write(bytes);
  }
}

/**
 * AVML's format, version 2: each range as a stream of Snappy's framing format, and its length behind it.
 * @param every how many chunks there are to one that is compressed
 */
export function writeAvml(path: string, memory: PhysicalMemory, chunkSize = 65536, every = 1): void {
  using file = new Output(path);
  let count = 0;
  for (const { start, end } of memory.ranges) {
    file.write(le32(0x4c4d5641, 2), le64(start, end - 1, 0));
    const begin = file.write(Buffer.from([0xff, 6, 0, 0]), Buffer.from('sNaPpY'));
    for (const bytes of windows(memory, start, end, chunkSize)) {
      const packed = count++ % every === 0 ? encodeSnappy(bytes) : bytes;
      const [type, data] = packed.length < bytes.length ? [0, packed] : [1, bytes];
      // Type and length in one word; then a checksum, which readers here do not look at.
      file.write(le32((data.length + 4) * 256 + type, 0), data);
    }
    file.write(le64(file.at - begin));
  }
}

/** Xen's core: ELF sections with the pages and their frame numbers; `.xen_p2m` has two numbers for each. */
export function writeXenCore(path: string, memory: PhysicalMemory, table: '.xen_pfn' | '.xen_p2m'): void {
  using file = new Output(path);
  const names = ['', '.shstrtab', table, '.xen_pages'];
  const text = Buffer.from(names.join('\0') + '\0');
  const textAt = 64 + names.length * 64;
  file.seek(Math.ceil((textAt + text.length) / 4096) * 4096);
  const pagesAt = file.at;
  const frames: Buffer[] = [];
  for (const [page, bytes] of pagesOf(memory)) {
    file.write(bytes);
    frames.push(table === '.xen_pfn' ? le64(page) : le64(page, page + 77));
  }
  const pagesEnd = file.at;
  const tableAt = file.write(Buffer.concat(frames));
  const sections = [
    [0, 0],
    [textAt, text.length],
    [tableAt, file.at - tableAt],
    [pagesAt, pagesEnd - pagesAt],
  ] as const;
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(4, 16);
  header.writeUInt16LE(62, 18);
  header.writeBigUInt64LE(64n, 40);
  header.writeUInt16LE(64, 58);
  header.writeUInt16LE(names.length, 60);
  header.writeUInt16LE(1, 62);
  file.seek(0);
  file.write(header);
  sections.forEach(([offset, size], index) => {
    const entry = Buffer.alloc(64);
    entry.writeUInt32LE(names.slice(0, index).join('\0').length + (index > 0 ? 1 : 0), 0);
    le64(offset, size).copy(entry, 24);
    file.write(entry);
  });
  file.write(text);
}

function* windows(memory: PhysicalMemory, start: number, end: number, size: number): Generator<Buffer> {
  const window = Buffer.alloc(size);
  for (let at = start; at < end; at += size) {
    const bytes = window.subarray(0, Math.min(size, end - at));
    memory.readInto(at, bytes);
    yield bytes;
  }
}
