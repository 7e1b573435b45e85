import { promisify } from 'node:util';
import { deflate } from 'node:zlib';
import { chunkSize } from './schema.js';

/** Where a content comes from: all of it, or pieces of any size. */
export type ContentSource = Uint8Array | AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** A piece of a content as a plan has it. */
export interface Packed {
  readonly encoding: 'zlib' | 'plain';
  readonly bytes: Uint8Array;
}

/** Compressed pieces are kept only when they save at least this share. */
const worthwhile = 0.95;

const compress = promisify<Uint8Array, { level: number }, Buffer>(deflate);

/** Cuts a content into pieces of `chunkSize` bytes, the last one excepted, and compresses those that it pays for. `plain`: what it was. */
export async function* pack(source: ContentSource): AsyncGenerator<Packed & { readonly plain: Uint8Array }> {
  let compressible = true;
  for await (const plain of chunks(source)) {
    const packed: Uint8Array = compressible ? await compress(plain, { level: 3 }) : plain;
    compressible = packed.length <= plain.length * worthwhile;
    yield compressible
      ? { encoding: 'zlib', bytes: packed, plain }
      : { encoding: 'plain', bytes: plain, plain };
  }
}

async function* chunks(source: ContentSource): AsyncGenerator<Uint8Array> {
  const pieces = source instanceof Uint8Array ? [source] : source;
  let pending = Buffer.alloc(0);
  for await (const piece of pieces) {
    let rest =
      pending.length > 0
        ? Buffer.concat([pending, piece])
        : Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    for (; rest.length >= chunkSize; rest = rest.subarray(chunkSize)) yield rest.subarray(0, chunkSize);
    pending = Buffer.from(rest);
  }
  if (pending.length > 0) yield pending;
}
