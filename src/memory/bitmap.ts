import type { ByteSource } from './source.js';

const groupBytes = 512;
const groupBits = groupBytes * 8;
const groupsAtOnce = 128;

/**
 * One bit for each page, least significant bit first, as it stands in a file. Nothing but the last group of 512
 * bytes is kept of it.
 */
export class PageBitmap {
  readonly #source: ByteSource;
  readonly #offset: number;
  readonly #group = Buffer.alloc(groupBytes);
  #loaded = -1;

  /** @param pages number of bits; the rest of the last byte does not count */
  constructor(
    source: ByteSource,
    offset: number,
    readonly pages: number,
  ) {
    this.#source = source;
    this.#offset = offset;
  }

  has(page: number): boolean {
    if (page >= this.pages) return false;
    const bit = page % groupBits;
    this.#load((page - bit) / groupBits);
    return ((this.#group[bit >>> 3] as number) & (1 << (bit & 7))) !== 0;
  }

  /** The runs of pages whose bits are set, ascending. */
  *runs(): Generator<readonly [first: number, end: number]> {
    let first = -1;
    for (const [start, bytes] of this.#sweep())
      for (let index = 0; index < bytes.length; index++) {
        const byte = bytes[index] as number;
        if (byte === (first < 0 ? 0 : 0xff)) continue;
        for (let bit = 0; bit < 8; bit++) {
          const set = (byte & (1 << bit)) !== 0;
          if (set === first >= 0) continue;
          const page = start + index * 8 + bit;
          if (!set) yield [first, page];
          first = set ? page : -1;
        }
      }
    if (first >= 0) yield [first, this.pages];
  }

  /** How many pages below `page` have their bit set, by the counts that {@link countGroups} made. */
  rank(page: number, counts: Float64Array): number {
    const bit = page % groupBits;
    const group = (page - bit) / groupBits;
    this.#load(group);
    let rank = counts[group] as number;
    for (let byte = 0; byte < bit >>> 3; byte++) rank += ones[this.#group[byte] as number] as number;
    return rank + (ones[(this.#group[bit >>> 3] as number) & ((1 << (bit & 7)) - 1)] as number);
  }

  /** Set bits below each group of 4096 pages; the last element is the number of all of them. */
  countGroups(): Float64Array {
    const counts = new Float64Array(Math.ceil(this.pages / groupBits) + 1);
    for (const [start, bytes] of this.#sweep())
      for (let at = 0; at < bytes.length; at += groupBytes) {
        const group = (start + at * 8) / groupBits;
        let count = counts[group] as number;
        for (const byte of bytes.subarray(at, at + groupBytes)) count += ones[byte] as number;
        counts[group + 1] = count;
      }
    return counts;
  }

  /** All of the bitmap in pieces of whole groups, with the page that each starts with; spare bits are cleared. */
  *#sweep(): Generator<readonly [start: number, bytes: Buffer]> {
    const total = Math.ceil(this.pages / 8);
    const buffer = Buffer.alloc(Math.min(total, groupsAtOnce * groupBytes));
    for (let at = 0; at < total; at += buffer.length) {
      const bytes = buffer.subarray(0, Math.min(buffer.length, total - at));
      this.#source.readInto(this.#offset + at, bytes);
      if (at + bytes.length === total && this.pages % 8 !== 0)
        bytes[bytes.length - 1] = (bytes[bytes.length - 1] as number) & ((1 << (this.pages % 8)) - 1);
      yield [at * 8, bytes];
    }
  }

  #load(group: number): void {
    if (this.#loaded === group) return;
    const total = Math.ceil(this.pages / 8);
    const bytes = this.#group.subarray(0, Math.min(groupBytes, total - group * groupBytes));
    this.#loaded = -1;
    this.#source.readInto(this.#offset + group * groupBytes, bytes);
    this.#loaded = group;
  }
}

/** Set bits of each byte. */
const ones = Uint8Array.from({ length: 256 }, (_, byte) => byte.toString(2).replaceAll('0', '').length);
