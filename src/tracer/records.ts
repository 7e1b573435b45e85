/** The records that the shim packs into buffers: native-shim/trace.h, same order and numbers. */
import { structSizes } from '../native/signatures.js';

export const eventSize = structSizes.oua_trace_event;
export const countsSize = structSizes.oua_trace_counts;

export const eventKind = {
  fork: 1,
  exec: 2,
  execFailed: 3,
  exit: 4,
  execStop: 5,
  mismatch: 6,
  startFailed: 7,
  end: 8,
  call: 9,
  callStop: 10,
} as const;

/** `enum oua_trace_flags`. */
export const traceFlags = { armed: 1, askExec: 2, tellAll: 4, tellFailed: 8 } as const;

/** `struct oua_trace_event` with its strings; what the fields mean depends on the kind. */
export class EventRecord {
  readonly #stream: Buffer;
  readonly #at: number;

  /** The record at that place of a piece of the stream, whose memory it shares. */
  constructor(stream: Buffer, at = 0) {
    this.#stream = stream;
    this.#at = at;
  }

  /** Bytes, strings and all. */
  get size(): number {
    return this.#stream.readUInt32LE(this.#at);
  }
  get kind(): number {
    return this.#stream.readUInt32LE(this.#at + 4);
  }
  get tid(): number {
    return this.#stream.readInt32LE(this.#at + 8);
  }
  get other(): number {
    return this.#stream.readInt32LE(this.#at + 12);
  }
  get status(): number {
    return this.#stream.readInt32LE(this.#at + 16);
  }

  /** The low 32 bits of an argument, unsigned. */
  word(index: number): number {
    return this.#stream.readUInt32LE(this.#argumentAt(index));
  }

  argument(index: number): number {
    return Number(this.longWord(index));
  }

  /** The same, whole. */
  longWord(index: number): bigint {
    return this.#stream.readBigInt64LE(this.#argumentAt(index));
  }

  /** Copies, in order. */
  strings(): Buffer[] {
    const strings: Buffer[] = [];
    let at = this.#at + eventSize;
    for (let left = this.#stream.readUInt32LE(this.#at + 20); left > 0; left--) {
      const start = at + 4;
      at = start + this.#stream.readUInt32LE(at);
      strings.push(Buffer.from(this.#stream.subarray(start, at)));
    }
    return strings;
  }

  /** The whole record, with memory of its own. */
  copy(): EventRecord {
    return new EventRecord(Buffer.from(this.bytes));
  }

  get bytes(): Buffer {
    return this.#stream.subarray(this.#at, this.#at + this.size);
  }

  #argumentAt(index: number): number {
    return this.#at + 24 + index * 8;
  }
}

/** The whole records at the beginning of a piece of the stream, and how many bytes they are. */
export function splitRecords(stream: Buffer): { records: EventRecord[]; length: number } {
  const records: EventRecord[] = [];
  let length = 0;
  while (length + eventSize <= stream.length) {
    const record = new EventRecord(stream, length);
    const { size } = record;
    if (size < eventSize || size % 8 !== 0) throw new RangeError(`an event of ${size} bytes`);
    if (length + size > stream.length) break;
    records.push(record);
    length += size;
  }
  return { records, length };
}

/** Strings, each with a NUL after it. @throws RangeError when one has a NUL inside. */
export function packStrings(strings: readonly (string | Uint8Array)[]): Buffer {
  return Buffer.concat(
    strings.map((string) => {
      const bytes = Buffer.from(string as string);
      if (bytes.includes(0)) throw new RangeError(`a NUL inside '${bytes.toString('latin1')}'`);
      return Buffer.concat([bytes, Buffer.of(0)]);
    }),
  );
}

/** The inverse of `packStrings`; the last NUL may be missing. The strings have memory of their own. */
export function unpackStrings(packed: Buffer): Buffer[] {
  const strings: Buffer[] = [];
  for (let at = 0; at < packed.length;) {
    const nul = packed.indexOf(0, at);
    const end = nul < 0 ? packed.length : nul;
    strings.push(Buffer.from(packed.subarray(at, end)));
    at = end + 1;
  }
  return strings;
}
