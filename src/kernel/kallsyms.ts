import { expandName, type KallsymsTables } from './kallsyms-find.js';

const hashBase = 31;

/**
 * The kernel's own symbol table. Names stay compressed: a hash of each is computed from its tokens without
 * unpacking it, so that a lookup unpacks one name and not two hundred thousand.
 *
 * Format: `scripts/kallsyms.c` and `kernel/kallsyms.c` of the kernel.
 */
export class Kallsyms {
  readonly #tables: KallsymsTables;
  readonly #nameOffsets: Uint32Array;
  /** Open addressing: symbol index + 1, by hash of the name. */
  readonly #slots: Uint32Array;
  readonly #mask: number;

  readonly #origin: bigint;

  /** @param origin address of the region that the tables were found in, for those whose offsets count from their places */
  constructor(tables: KallsymsTables, origin = 0n) {
    this.#tables = tables;
    this.#origin = origin;
    const slotCount = 2 ** Math.ceil(Math.log2(tables.count * 2));
    this.#mask = slotCount - 1;
    this.#slots = new Uint32Array(slotCount);
    this.#nameOffsets = new Uint32Array(tables.count);
    this.#index();
  }

  /** Whether addresses are places in the region that the tables were found in, counted from `origin`. */
  get isPlaceRelative(): boolean {
    return this.#tables.relativeBase === undefined;
  }

  get count(): number {
    return this.#tables.count;
  }

  /** The relocated address of a symbol (absolute symbols, such as per-CPU ones, as they are), or undefined. */
  address(name: string): bigint | undefined {
    const index = this.#find(name);
    return index < 0 ? undefined : this.addressAt(index);
  }

  /** The address of the symbol in place `index` of the table. */
  addressAt(index: number): bigint {
    const { offsets, offsetsAt, relativeBase, absolutePercpu } = this.#tables;
    const offset = offsets[index] ?? 0;
    if (relativeBase === undefined) return this.#origin + BigInt(offsetsAt + index * 4 + offset);
    if (!absolutePercpu) return relativeBase + BigInt(offset >>> 0);
    return offset >= 0 ? BigInt(offset) : relativeBase - 1n - BigInt(offset);
  }

  /** The name in place `index` of the table, without the type letter. */
  nameAt(index: number): string {
    return expandName(this.#tables.names, this.#tables.tokens, this.#nameOffsets[index] ?? 0).slice(1);
  }

  #find(name: string): number {
    for (let slot = spread(hashOf(name)) & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const entry = this.#slots[slot] ?? 0;
      if (entry === 0) return -1;
      if (this.nameAt(entry - 1) === name) return entry - 1;
    }
  }

  #index(): void {
    const { names, tokens, count } = this.#tables;
    // hash(a + b) = hash(a) * base^length(b) + hash(b)
    const powers = new Int32Array(256);
    const hashes = new Int32Array(256);
    const firstHashes = new Int32Array(256);
    tokens.forEach((token, index) => {
      let power = 1;
      for (let at = 0; at < token.length; at++) power = Math.imul(power, hashBase);
      powers[index] = power;
      hashes[index] = hashOf(token);
      // A name's first character is the type letter, which is not hashed.
      firstHashes[index] = hashOf(token.slice(1));
    });
    let at = 0;
    for (let symbol = 0; symbol < count; symbol++) {
      this.#nameOffsets[symbol] = at;
      let length = names[at++] as number;
      if (length & 0x80) length = (length & 0x7f) | ((names[at++] as number) << 7);
      const end = at + length;
      let hash = firstHashes[names[at++] as number] as number;
      while (at < end) {
        const token = names[at++] as number;
        hash = (Math.imul(hash, powers[token] as number) + (hashes[token] as number)) | 0;
      }
      let slot = spread(hash) & this.#mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#slots[slot] = symbol + 1;
    }
  }
}

function hashOf(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at++) hash = (Math.imul(hash, hashBase) + text.charCodeAt(at)) | 0;
  return hash;
}

/** Short names differ mostly in the low bits of a polynomial hash, long ones in the high bits: mix them. */
function spread(hash: number): number {
  return (hash ^ (hash >>> 15)) >>> 0;
}
