import { deflateSync } from 'node:zlib';
import type { PhysicalMemory } from '../../../src/memory/memory.js';
import { encodeLzo1x } from './lzo1x.js';
import { be64, isZero, le32, le64, Output, pagesOf } from './output.js';
import { encodeSnappy } from './snappy.js';

/** A page as it is to be stored: the descriptor's flags and the bytes. */
export type PageEncoder = (page: Buffer) => readonly [flags: number, bytes: Buffer];

export const pageEncoders = {
  plain: (page) => [0, page],
  zlib: (page) => [1, deflateSync(page, { level: 1 })],
  lzo: (page) => [2, encodeLzo1x(page)],
  snappy: (page) => [4, encodeSnappy(page)],
} as const satisfies Record<string, PageEncoder>;

export interface KdumpOptions {
  readonly encode?: PageEncoder;
  /** As QEMU up to 8.1 writes it. */
  readonly flattened?: boolean;
  /** Pages that are left out, as makedumpfile's dump levels do. */
  readonly excluded?: (page: number, bytes: Buffer) => boolean;
  readonly dumpLevel?: number;
  readonly status?: number;
}

const blockSize = 4096;
const descriptorSize = 24;

/** A kdump-compressed file of version 6, as makedumpfile's diskdump_mod.h has it. */
export function writeKdump(path: string, memory: PhysicalMemory, options: KdumpOptions = {}): void {
  const encode = options.encode ?? pageEncoders.zlib;
  const pages = Math.ceil((memory.ranges.at(-1)?.end ?? 0) / blockSize);
  const bitmapBlocks = Math.ceil(pages / 8 / blockSize);
  const bitmaps = [0, 1].map(() => Buffer.alloc(bitmapBlocks * blockSize)) as [Buffer, Buffer];
  using file = new Output(path);
  const put = options.flattened ? flattened(file) : plain(file);
  const descriptors: Buffer[] = [];
  for (const [page, bytes] of pagesOf(memory)) {
    bitmaps[0][page >>> 3]! |= 1 << (page & 7);
    if (!options.excluded?.(page, bytes)) bitmaps[1][page >>> 3]! |= 1 << (page & 7);
  }
  const stored = bitmaps[1].reduce((sum, byte) => sum + byte.toString(2).replaceAll('0', '').length, 0);
  const descriptorsAt = (2 + 2 * bitmapBlocks) * blockSize;
  let dataAt = descriptorsAt + stored * descriptorSize;
  put(0, header(options.status ?? 1, 2 * bitmapBlocks));
  put(blockSize, subHeader(options.dumpLevel ?? 0, pages));
  put(2 * blockSize, Buffer.concat(bitmaps));
  let zeroAt = 0;
  for (const [page, bytes] of pagesOf(memory)) {
    if (options.excluded?.(page, bytes)) continue;
    const zero = isZero(bytes);
    let [flags, data] = zero ? [0, bytes] : encode(bytes);
    if (data.length >= blockSize) [flags, data] = [0, bytes];
    const at = zero && zeroAt > 0 ? zeroAt : dataAt;
    if (zero) zeroAt = at;
    if (at === dataAt) {
      put(at, Buffer.from(data));
      dataAt += data.length;
    }
    descriptors.push(Buffer.concat([le64(at), le32(data.length, flags), le64(0)]));
  }
  put(descriptorsAt, Buffer.concat(descriptors));
  if (options.flattened) file.write(be64(-1, -1));
}

function plain(file: Output): (offset: number, bytes: Buffer) => void {
  return (offset, bytes) => {
    file.seek(offset);
    file.write(bytes);
  };
}

/** Records of their target offset, length and bytes, behind a header of 4 KiB. */
function flattened(file: Output): (offset: number, bytes: Buffer) => void {
  const head = Buffer.alloc(4096);
  head.write('makedumpfile', 'latin1');
  file.write(head.fill(be64(1, 1), 16, 32));
  return (offset, bytes) => {
    if (bytes.length > 0) file.write(be64(offset, bytes.length), bytes);
  };
}

function header(status: number, bitmapBlocks: number): Buffer {
  const bytes = Buffer.alloc(blockSize);
  bytes.write('KDUMP   ', 'latin1');
  bytes.writeInt32LE(6, 8);
  bytes.write('x86_64', 12 + 4 * 65, 'latin1');
  le32(status, blockSize, 1, bitmapBlocks).copy(bytes, 424);
  return bytes;
}

function subHeader(dumpLevel: number, pages: number): Buffer {
  const bytes = Buffer.alloc(blockSize);
  bytes.writeInt32LE(dumpLevel, 8);
  le64(0, pages, pages).copy(bytes, 80);
  return bytes;
}
