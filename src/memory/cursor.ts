import { truncated, unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const windowSize = 64 * 1024;

/**
 * Reads a file in order, as migration streams are read: big-endian numbers, short texts, and long parts that
 * are only stepped over. Every method throws OuaError `MEMORY_TRUNCATED` when the file ends before it is done.
 */
export class Cursor {
  readonly #source: ByteSource;
  readonly #window = Buffer.allocUnsafeSlow(windowSize);
  /** Where the window's bytes stand in the file, and how many of them there are. */
  #start = 0;
  #length = 0;

  /** @param at the offset of the next byte to be read */
  constructor(
    source: ByteSource,
    public at: number,
  ) {
    this.#source = source;
  }

  u8(): number {
    return this.#take(1).readUInt8();
  }

  be16(): number {
    return this.#take(2).readUInt16BE();
  }

  be32(): number {
    return this.#take(4).readUInt32BE();
  }

  /** @throws OuaError `MEMORY_FORMAT` for a number that no size or address of a machine has. */
  be64(): number {
    const bytes = this.#take(8);
    const high = bytes.readUInt32BE(0);
    if (high >= 1 << 20)
      throw unreadable(
        this.#source.path,
        `it states the impossible number 0x${bytes.toString('hex')} at byte ${this.at - 8}`,
      );
    return high * 2 ** 32 + bytes.readUInt32BE(4);
  }

  /** A text behind a byte that says its length. */
  shortText(): string {
    const length = this.u8();
    return this.#take(length).toString('latin1');
  }

  /** A text of a length of at most 64 KiB. */
  text(length: number): string {
    if (length > windowSize)
      throw unreadable(this.#source.path, `it has a name of ${length} bytes at byte ${this.at}`);
    return this.#take(length).toString('latin1');
  }

  peek(): number {
    const byte = this.u8();
    this.at--;
    return byte;
  }

  /** Steps over `length` bytes and returns where they start. */
  skip(length: number): number {
    const start = this.at;
    this.seek(start + length);
    return start;
  }

  seek(at: number): void {
    if (at > this.#source.size) throw truncated(this.#source.path, at, this.#source.size);
    this.at = at;
  }

  #take(length: number): Buffer {
    let from = this.at - this.#start;
    if (from < 0 || from + length > this.#length) {
      if (this.at + length > this.#source.size)
        throw truncated(this.#source.path, this.at + length, this.#source.size);
      this.#length = 0;
      const count = Math.min(windowSize, this.#source.size - this.at);
      this.#source.readInto(this.at, this.#window.subarray(0, count));
      this.#start = this.at;
      this.#length = count;
      from = 0;
    }
    this.at += length;
    return this.#window.subarray(from, from + length);
  }
}
