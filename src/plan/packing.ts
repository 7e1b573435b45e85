import { setImmediate as turn } from 'node:timers/promises';
import { check, loadShim } from '../native/shim.js';
import { chunkSize } from './schema.js';

/** Where a content comes from: all of it, or pieces of any size, each valid until the next one is asked for. */
export type ContentSource = Uint8Array | Iterable<Uint8Array>;

/** A piece of a content as a plan has it. */
export interface Packed {
  readonly encoding: 'zlib' | 'plain';
  readonly bytes: Uint8Array;
}

/** Compressed pieces are kept only when they save at least this share. */
const worthwhile = 0.95;

const room = Buffer.allocUnsafeSlow(chunkSize);

/**
 * Cuts a content into pieces of `chunkSize` bytes, the last one excepted, and compresses those that it pays for. `plain`: what it was,
 * valid until the next one is asked for.
 */
export async function* pack(source: ContentSource): AsyncGenerator<Packed & { readonly plain: Uint8Array }> {
  let compressible = true;
  for (const plain of chunks(source)) {
    const packed: Uint8Array | undefined = compressible ? compress(plain) : undefined;
    compressible = packed !== undefined;
    yield packed ? { encoding: 'zlib', bytes: packed, plain } : { encoding: 'plain', bytes: plain, plain };
    // Nobody waits for the end of a large content to be heard.
    if (plain.length === chunkSize) await turn();
  }
}

/** The bytes in the format of zlib; undefined: they do not become so much less that it pays. */
function compress(plain: Uint8Array): Uint8Array | undefined {
  const most = Math.floor(plain.length * worthwhile);
  const length = check('compress', loadShim().oua_zlib_compress(plain, plain.length, room, most));
  return length === 0 ? undefined : Buffer.from(room.subarray(0, length));
}

function* chunks(source: ContentSource): Generator<Uint8Array> {
  if (source instanceof Uint8Array) {
    for (let at = 0; at < source.length; at += chunkSize) yield source.subarray(at, at + chunkSize);
    return;
  }
  let pending = Buffer.alloc(0);
  for (const piece of source) {
    let rest =
      pending.length > 0
        ? Buffer.concat([pending, piece])
        : Buffer.from(piece.buffer, piece.byteOffset, piece.length);
    for (; rest.length >= chunkSize; rest = rest.subarray(chunkSize)) yield rest.subarray(0, chunkSize);
    pending = Buffer.from(rest);
  }
  if (pending.length > 0) yield pending;
}
