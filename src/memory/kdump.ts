import { PageBitmap } from './bitmap.js';
import { FlattenedFile } from './flattened.js';
import { isFlattened, kdumpSignature } from './marks.js';
import { pageCodecs, type PageDecoder } from './page-codecs.js';
import { PagedMemory, type PagedImage } from './paged-memory.js';
import { RangeList } from './ranges.js';
import { unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const headerSize = 464;
const subHeaderSize = 104;
const descriptorSize = 24;
const newestVersion = 6;
const maxPages = 2 ** 40;
/** DUMP_DH_COMPRESSED_INCOMPLETE, a bit of the header's status. */
const incomplete = 8;
/** Dump level of a file from which only pages of zeros were left out. */
const excludesOnlyZeros = 1;

/** A page descriptor's flags → what its bytes are; 0 is a page as it is. diskdump_mod.h of makedumpfile and crash. */
const codecs: ReadonlyMap<number, PageDecoder> = new Map([
  [0x01, pageCodecs.zlib],
  [0x02, pageCodecs.lzo],
  [0x04, pageCodecs.snappy],
  [0x20, pageCodecs.zstd],
]);

/** `uname -m` → the name that we use. */
const machines: Readonly<Record<string, string>> = {
  x86_64: 'x86-64',
  i686: 'i386',
  aarch64: 'aarch64',
  riscv64: 'riscv',
};

/**
 * A kdump-compressed dump of QEMU (`dump-guest-memory`, formats kdump-*) or makedumpfile, flattened or not:
 * a header, a sub-header, two bitmaps (which pages exist, which are in the file), a descriptor for each page in
 * the file, and the pages. Pages that were filtered out are holes. Takes charge of the file.
 *
 * In memory: 8 bytes for each 4096 pages; bitmaps and descriptors are read when they are needed.
 *
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`
 */
export function openKdump(file: ByteSource): PagedMemory {
  const source = isFlattened(file.read(0, Math.min(16, file.size))) ? new FlattenedFile(file) : file;
  return new PagedMemory(source, readKdump(source));
}

interface Header {
  readonly blockSize: number;
  readonly bitmapAt: number;
  /** Bytes of one of the two bitmaps. */
  readonly bitmapBytes: number;
  readonly pages: number;
  readonly onlyZerosExcluded: boolean;
  readonly architecture: string | undefined;
}

function readKdump(source: ByteSource): PagedImage {
  const { blockSize, bitmapAt, bitmapBytes, pages, onlyZerosExcluded, architecture } = readHeader(source);
  // Reading the last byte of both proves that the file holds them, before anything is made of their size.
  source.read(bitmapAt + 2 * bitmapBytes - 1, 1);
  const existing = new PageBitmap(source, bitmapAt, pages);
  const dumped = new PageBitmap(source, bitmapAt + bitmapBytes, pages);
  const list = new RangeList(source.path);
  for (const [first, end] of (onlyZerosExcluded ? existing : dumped).runs())
    list.add(first * blockSize, end * blockSize);
  if (list.ranges.length === 0) throw unreadable(source.path, 'it holds no page');
  const counts = dumped.countGroups();
  const descriptors = bitmapAt + 2 * bitmapBytes;
  const descriptor = Buffer.alloc(descriptorSize);
  return {
    format: 'kdump',
    architecture,
    pageSize: blockSize,
    ranges: list.ranges,
    load(page, target) {
      if (!dumped.has(page)) {
        if (!onlyZerosExcluded || !existing.has(page)) return false;
        target.fill(0);
        return true;
      }
      source.readInto(descriptors + dumped.rank(page, counts) * descriptorSize, descriptor);
      readPage(source, descriptor, page, target);
      return true;
    },
  };
}

function readPage(source: ByteSource, descriptor: Buffer, page: number, target: Buffer): void {
  const offset = Number(descriptor.readBigUInt64LE(0));
  const size = descriptor.readUInt32LE(8);
  const flags = descriptor.readUInt32LE(12);
  const damaged = (why: string) => unreadable(source.path, `its page 0x${page.toString(16)} ${why}`);
  if (size === 0 || size > target.length || !Number.isSafeInteger(offset))
    throw damaged('has an impossible descriptor');
  if (flags === 0) {
    if (size !== target.length) throw damaged(`has ${size} bytes`);
    source.readInto(offset, target);
    return;
  }
  const decode = codecs.get(flags);
  if (!decode) throw damaged(`is compressed in an unknown way (0x${flags.toString(16)})`);
  if (!decode(source.read(offset, size), target)) throw damaged('cannot be decompressed');
}

function readHeader(source: ByteSource): Header {
  const header = source.read(0, headerSize);
  if (!header.subarray(0, kdumpSignature.length).equals(kdumpSignature))
    throw unreadable(source.path, 'it holds no kdump-compressed dump');
  const version = header.readInt32LE(8);
  if (version < 1 || version > newestVersion)
    throw unreadable(source.path, `it has version ${version} of the kdump-compressed format`);
  if (header.readUInt32LE(424) & incomplete)
    throw unreadable(
      source.path,
      'its dump was not finished',
      'dump the memory again; check the disk for space',
    );
  const blockSize = header.readUInt32LE(428);
  if (blockSize < 1024 || blockSize > 65536 || (blockSize & (blockSize - 1)) !== 0)
    throw unreadable(source.path, `it has blocks of ${blockSize} bytes`);
  const subHeaderBlocks = header.readUInt32LE(432);
  const bitmapBlocks = header.readUInt32LE(436);
  if (bitmapBlocks === 0 || bitmapBlocks % 2 !== 0)
    throw unreadable(source.path, `its bitmaps have ${bitmapBlocks} blocks`);
  const sub = source.read(blockSize, subHeaderSize);
  if (version >= 2 && sub.readInt32LE(12) !== 0)
    throw unreadable(
      source.path,
      'it is one part of a split dump',
      'put the parts together: makedumpfile --reassemble',
    );
  const pages = version >= 6 ? Number(sub.readBigUInt64LE(96)) : header.readUInt32LE(440);
  const bitmapBytes = (bitmapBlocks / 2) * blockSize;
  if (pages === 0 || pages > maxPages || pages > bitmapBytes * 8)
    throw unreadable(source.path, `its bitmaps are too small for the ${pages} pages that it claims`);
  const machine = header.toString('latin1', 272, 337).split('\0', 1)[0] ?? '';
  return {
    blockSize,
    bitmapAt: (1 + subHeaderBlocks) * blockSize,
    bitmapBytes,
    pages,
    onlyZerosExcluded: version >= 1 && sub.readInt32LE(8) === excludesOnlyZeros,
    architecture: machine === '' ? undefined : (machines[machine] ?? machine),
  };
}
