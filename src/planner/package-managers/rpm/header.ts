import { OuaError } from '../../../base/errors.js';

/** Types of values: rpmTagType_e of rpm's include/rpm/rpmtag.h. */
const typeOf = { int32: 4, string: 6, stringArray: 8, i18nString: 9 } as const;

/** Bounds of rpm's lib/header.c. */
const maximumEntries = 0xffff;
const maximumData = 256 << 20;
/** Far above the strings of any one entry of a real package: one a file. */
const maximumCount = 4 << 20;
const entrySize = 16;

interface Entry {
  readonly type: number;
  readonly offset: number;
  readonly count: number;
}

/**
 * The header of an RPM package: what it is called, its files, its scriptlets. The format is described in rpm's
 * docs/manual/format.md, "Header"; a database's blobs have it without the leading magic.
 *
 * Strings are latin1, which keeps every byte.
 */
export class Header {
  readonly #data: Buffer;
  readonly #entries = new Map<number, Entry>();

  /**
   * @param bytes number of entries, size of the data, the entries, the data
   * @throws OuaError `GUEST_UNSUPPORTED` when it is none
   */
  constructor(bytes: Buffer) {
    const { entries, size } = headerSize(bytes);
    if (bytes.length < size) throw broken('it is cut off');
    this.#data = bytes.subarray(8 + entries * entrySize, size);
    for (let at = 8; at < 8 + entries * entrySize; at += entrySize) {
      const [type, offset, count] = [4, 8, 12].map((part) => bytes.readUInt32BE(at + part));
      this.#entries.set(bytes.readUInt32BE(at), { type: type!, offset: offset!, count: count! });
    }
  }

  /** Undefined: it has no such tag, or not as a string. */
  string(tag: number): string | undefined {
    const entry = this.#entries.get(tag);
    if (entry?.type !== typeOf.string && entry?.type !== typeOf.i18nString) return undefined;
    return this.#strings({ ...entry, count: 1 })[0];
  }

  /** One string or several; none where it has no such tag. */
  strings(tag: number): string[] {
    const entry = this.#entries.get(tag);
    if (entry?.type === typeOf.stringArray) return this.#strings(entry);
    const single = this.string(tag);
    return single === undefined ? [] : [single];
  }

  integers(tag: number): number[] {
    const entry = this.#entries.get(tag);
    if (entry?.type !== typeOf.int32) return [];
    if (entry.offset + entry.count * 4 > this.#data.length) throw broken('a value is cut off');
    return Array.from({ length: entry.count }, (_, index) =>
      this.#data.readUInt32BE(entry.offset + index * 4),
    );
  }

  #strings({ offset, count }: Entry): string[] {
    if (count > maximumCount) throw broken('it has too many strings');
    const found: string[] = [];
    for (let at = offset; found.length < count;) {
      const end = this.#data.indexOf(0, at);
      if (at > this.#data.length || end < 0) throw broken('a string is cut off');
      found.push(this.#data.toString('latin1', at, end));
      at = end + 1;
    }
    return found;
  }
}

/**
 * How long a header is, from its first eight bytes.
 *
 * @throws OuaError `GUEST_UNSUPPORTED` when no header can be so long
 */
export function headerSize(start: Buffer): { readonly entries: number; readonly size: number } {
  if (start.length < 8) throw broken('it is cut off');
  const [entries, data] = [start.readUInt32BE(0), start.readUInt32BE(4)];
  if (entries > maximumEntries || data > maximumData) throw broken('it is too long');
  return { entries, size: 8 + entries * entrySize + data };
}

export function broken(what: string): OuaError {
  return new OuaError(
    'GUEST_UNSUPPORTED',
    `the header of an RPM package is damaged: ${what}`,
    'run `rpmdb --verifydb` in the guest, and repair it',
  );
}
