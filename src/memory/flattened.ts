import { truncated, unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const headerSize = 4096;
const recordHeader = 16;
/** Records hold 16 KiB each in QEMU's dumps: enough for a guest of 256 GiB that does not compress at all. */
const maxRecords = 1 << 24;

/**
 * makedumpfile's flattened format, which QEMU up to 8.1 always writes for kdump-compressed dumps: after a header
 * of 4 KiB records of a target offset, a length (big-endian, 64 bits) and the bytes, up to one with the offset -1.
 * What no record covers reads as zeros, as in the sparse file that they stand for.
 *
 * The index takes 24 bytes a record; QEMU's hold 16 KiB.
 */
export class FlattenedFile implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly #file: ByteSource;
  /** By ascending target offset. */
  readonly #offsets: Float64Array;
  readonly #lengths: Float64Array;
  readonly #positions: Float64Array;

  /**
   * Takes charge of the file.
   * @throws OuaError `MEMORY_TRUNCATED` without the last record, `MEMORY_FORMAT` for records that overlap.
   */
  constructor(file: ByteSource) {
    this.path = file.path;
    this.#file = file;
    const records = readRecords(file);
    const order = new Uint32Array(records.length / 3).map((_, index) => index);
    const field = (record: number, at: number) => records[record * 3 + at] as number;
    order.sort((a, b) => field(a, 0) - field(b, 0) || a - b);
    const sorted = [0, 1, 2].map((at) => Float64Array.from(order, (record) => field(record, at)));
    [this.#offsets, this.#lengths, this.#positions] = sorted as [Float64Array, Float64Array, Float64Array];
    this.size = checkOrder(file.path, this.#offsets, this.#lengths);
  }

  readInto(offset: number, target: Buffer): void {
    if (offset + target.length > this.size) throw truncated(this.path, offset + target.length, this.size);
    let record = this.#recordBefore(offset);
    for (let done = 0; done < target.length;) {
      const skip = offset + done - (this.#offsets[record] ?? Infinity);
      const left = (this.#lengths[record] ?? 0) - skip;
      if (skip >= 0 && left <= 0) {
        record++;
        continue;
      }
      const count = Math.min(target.length - done, skip < 0 ? -skip : left);
      const part = target.subarray(done, done + count);
      if (skip < 0) part.fill(0);
      else this.#file.readInto((this.#positions[record] as number) + skip, part);
      done += count;
    }
  }

  read(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw truncated(this.path, offset + length, this.size);
    const target = Buffer.allocUnsafe(length);
    this.readInto(offset, target);
    return target;
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
  }

  /** The last record that starts at or below an offset, or the first one. */
  #recordBefore(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] as number) <= offset) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

/** Target offset, length and position of every record, in the file's order. */
function readRecords(file: ByteSource): Float64Array {
  let records = new Float64Array(3 * 1024);
  let count = 0;
  const head = Buffer.alloc(recordHeader);
  for (let at = headerSize; ;) {
    file.readInto(at, head);
    const offset = head.readBigInt64BE(0);
    const length = head.readBigInt64BE(8);
    at += recordHeader;
    if (offset === -1n) return records.subarray(0, count * 3);
    if (offset < 0n || length <= 0n || offset + length > Number.MAX_SAFE_INTEGER)
      throw unreadable(file.path, `its record at byte ${at - recordHeader} is damaged`);
    if (at + Number(length) > file.size) throw truncated(file.path, at + Number(length), file.size);
    if (count === maxRecords) throw unreadable(file.path, `it has more than ${maxRecords} records`);
    if (records.length < (count + 1) * 3) {
      const larger = new Float64Array(records.length * 2);
      larger.set(records);
      records = larger;
    }
    records.set([Number(offset), Number(length), at], count++ * 3);
    at += Number(length);
  }
}

/** Where the last record ends. */
function checkOrder(path: string, offsets: Float64Array, lengths: Float64Array): number {
  let end = 0;
  for (let record = 0; record < offsets.length; record++) {
    const offset = offsets[record] as number;
    if (offset < end) throw unreadable(path, `two of its records are for byte ${offset}`);
    end = offset + (lengths[record] as number);
  }
  return end;
}
