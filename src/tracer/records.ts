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
export const traceFlags = { armed: 1, askExec: 2, tellAll: 4 } as const;

/** `struct oua_trace_event` with its strings; what the fields mean depends on the kind. */
export class EventRecord {
  readonly #bytes: Buffer;

  /** The record at the beginning of `bytes`, whose memory it shares. */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get kind(): number {
    return this.#bytes.readUInt32LE(4);
  }
  get tid(): number {
    return this.#bytes.readInt32LE(8);
  }
  get other(): number {
    return this.#bytes.readInt32LE(12);
  }
  get status(): number {
    return this.#bytes.readInt32LE(16);
  }

  /** The low 32 bits of an argument, unsigned. */
  word(index: number): number {
    return this.#bytes.readUInt32LE(24 + index * 8);
  }

  argument(index: number): number {
    return Number(this.#bytes.readBigInt64LE(24 + index * 8));
  }

  /** The same, whole. */
  longWord(index: number): bigint {
    return this.#bytes.readBigInt64LE(24 + index * 8);
  }

  /** Copies, in order. */
  strings(): Buffer[] {
    let at = eventSize;
    return Array.from({ length: this.#bytes.readUInt32LE(20) }, () => {
      const start = at + 4;
      at = start + this.#bytes.readUInt32LE(at);
      return Buffer.from(this.#bytes.subarray(start, at));
    });
  }

  get bytes(): Buffer {
    return this.#bytes;
  }
}

/** The whole records at the beginning of a piece of the stream, and what is left of it. */
export function splitRecords(bytes: Buffer): { records: EventRecord[]; rest: Buffer } {
  const records: EventRecord[] = [];
  let at = 0;
  while (at + eventSize <= bytes.length) {
    const size = bytes.readUInt32LE(at);
    if (size < eventSize || size % 8 !== 0) throw new RangeError(`an event of ${size} bytes`);
    if (at + size > bytes.length) break;
    records.push(new EventRecord(bytes.subarray(at, at + size)));
    at += size;
  }
  return { records, rest: bytes.subarray(at) };
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
