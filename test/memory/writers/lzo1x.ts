import { findMatches } from './matches.js';

const nearest = 2048;
const near = 0x4000;
const farthest = 0xbfff;

/** Compresses to a stream of LZO1X with literals and matches of the three longer kinds (M2, M3, M4). */
export function encodeLzo1x(input: Buffer): Buffer {
  return new Encoder(input).run();
}

class Encoder {
  readonly #output: Buffer;
  #at = 0;
  /** Where the two bits for up to three literals are, of the last match. */
  #trailing = -1;

  constructor(readonly input: Buffer) {
    this.#output = Buffer.alloc(input.length + (input.length >>> 3) + 64);
  }

  run(): Buffer {
    let literal = 0;
    for (const { at, distance, length } of findMatches(this.input, farthest, Infinity)) {
      this.#literals(literal, at);
      this.#match(distance, length);
      literal = at + length;
    }
    this.#literals(literal, this.input.length);
    this.#put(17, 0, 0);
    return this.#output.subarray(0, this.#at);
  }

  #literals(start: number, end: number): void {
    const length = end - start;
    if (length === 0) return;
    if (this.#at === 0 && length <= 238) this.#put(17 + length);
    else if (length <= 3 && this.#trailing >= 0) this.#output[this.#trailing]! |= length;
    else if (length <= 18) this.#put(length - 3);
    else {
      this.#put(0);
      this.#extended(length - 18);
    }
    this.#at += this.input.copy(this.#output, this.#at, start, end);
  }

  #match(distance: number, length: number): void {
    if (length <= 8 && distance <= nearest) {
      const code = distance - 1;
      this.#trailing = this.#at;
      this.#put(((length - 1) << 5) | ((code & 7) << 2), code >>> 3);
      return;
    }
    // A far distance of exactly 0x4000 would be the end mark; that one counts as near.
    const far = distance > near;
    const mask = far ? 7 : 31;
    const offset = far ? distance - near : distance - 1;
    const kind = far ? 16 | (offset >= near ? 8 : 0) : 32;
    const short = length - 2 <= mask;
    this.#put(short ? kind | (length - 2) : kind);
    if (!short) this.#extended(length - 2 - mask);
    this.#trailing = this.#at;
    this.#put((offset & 0x3f) << 2, (offset >>> 6) & 0xff);
  }

  /** A length of at least 1 as zero bytes of 255 each, and the rest. */
  #extended(length: number): void {
    let left = length;
    for (; left > 255; left -= 255) this.#put(0);
    this.#put(left);
  }

  #put(...bytes: readonly number[]): void {
    for (const byte of bytes) this.#output[this.#at++] = byte;
  }
}
