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
} as const;

/** `enum oua_trace_flags`. */
export const traceFlags = { armed: 1, askExec: 2, tellAll: 4 } as const;

/** `struct oua_trace_event`; what the fields mean depends on the kind. */
export interface EventRecord {
  readonly kind: number;
  readonly tid: number;
  readonly other: number;
  readonly status: number;
  readonly args: readonly bigint[];
}

/** Reads the record with number `index`. */
export function eventAt(bytes: Buffer, index: number): EventRecord {
  const at = index * eventSize;
  return {
    kind: bytes.readUInt32LE(at),
    tid: bytes.readInt32LE(at + 4),
    other: bytes.readInt32LE(at + 8),
    status: bytes.readInt32LE(at + 12),
    args: [0, 1, 2, 3, 4, 5].map((i) => bytes.readBigUInt64LE(at + 16 + i * 8)),
  };
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
