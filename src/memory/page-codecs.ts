import { inflateSync } from 'node:zlib';
import { decodeLzo1x } from './lzo1x.js';
import { decodeSnappy } from './snappy.js';
import { decodeZstd } from './zstd.js';

/** Decompresses into `target`. True when the input is sound and fills it exactly; nothing is thrown. */
export type PageDecoder = (input: Buffer, target: Buffer) => boolean;

/** zlib takes no smaller one. */
const smallestChunk = 64;

/** How a page may be compressed in the formats that compress each page on its own. */
export const pageCodecs = {
  zlib: (input, target) => {
    try {
      const bytes = inflateSync(input, {
        maxOutputLength: target.length,
        chunkSize: Math.max(target.length, smallestChunk),
      });
      return bytes.copy(target) === target.length;
    } catch {
      return false;
    }
  },
  lzo: decodeLzo1x,
  snappy: decodeSnappy,
  zstd: decodeZstd,
} as const satisfies Record<string, PageDecoder>;
