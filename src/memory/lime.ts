import type { Extent, ExtentImage } from './extent-memory.js';
import { limeMagic } from './marks.js';
import { maxPieces } from './ranges.js';
import { truncated, unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const headerSize = 32;
const addressLimit = 2 ** 52;

/** The head of a range in LiME's format and in AVML's, which has the same. */
export interface RangeHeader {
  readonly magic: number;
  readonly version: number;
  /** Physical addresses; the end is exclusive, other than in the file. */
  readonly start: number;
  readonly end: number;
}

/** @throws OuaError `MEMORY_FORMAT` for an impossible range, `MEMORY_TRUNCATED` */
export function readRangeHeader(source: ByteSource, at: number): RangeHeader {
  const bytes = source.read(at, headerSize);
  const start = Number(bytes.readBigUInt64LE(8));
  const end = Number(bytes.readBigUInt64LE(16)) + 1;
  if (end > addressLimit || start >= end)
    throw unreadable(source.path, `its range at byte ${at} has impossible addresses`);
  return { magic: bytes.readUInt32LE(0), version: bytes.readUInt32LE(4), start, end };
}

/**
 * LiME's format `lime`, version 1, which AVML without compression writes, too: ranges of physical memory one after
 * the other, each behind a header of 32 bytes.
 *
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`
 */
export function readLime(source: ByteSource): ExtentImage {
  const extents: Extent[] = [];
  for (let at = 0; at < source.size;) {
    const range = readRangeHeader(source, at);
    if (range.magic !== limeMagic || range.version !== 1)
      throw unreadable(source.path, `there is no range of LiME's version 1 at byte ${at}`);
    const extent = { address: range.start, length: range.end - range.start, offset: at + headerSize };
    at = extent.offset + extent.length;
    if (at > source.size) throw truncated(source.path, at, source.size);
    if (extents.push(extent) > maxPieces)
      throw unreadable(source.path, `it has more than ${maxPieces} ranges`);
  }
  return { format: 'lime', architecture: undefined, extents };
}
