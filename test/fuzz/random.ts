/** Numbers that look random and are the same for the same seed and stream, on every machine: sfc32. */
export class Random {
  #a: number;
  #b: number;
  #c = 0x9e3779b9 | 0;
  #counter = 1;

  /** @param stream tells sequences of one seed apart: the number of a mutation */
  constructor(seed: number, stream: number) {
    this.#a = seed | 0;
    this.#b = stream | 0;
    for (let warm = 0; warm < 12; warm++) this.u32();
  }

  /** 0 to 2^32 - 1. */
  u32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** 0 to `limit` - 1. */
  below(limit: number): number {
    return Math.floor((this.u32() / 2 ** 32) * limit);
  }

  /** From 1 to `most`, small numbers more often than large ones. */
  few(most: number): number {
    return Math.max(1, Math.floor(most ** (this.u32() / 2 ** 32)));
  }

  /** @throws RangeError for an empty list. */
  pick<T>(items: readonly T[]): T {
    if (items.length === 0) throw new RangeError('there is nothing to pick from');
    return items[this.below(items.length)] as T;
  }

  /** Picks by weight. */
  weighted<T extends { readonly weight: number }>(items: readonly T[]): T {
    let rest = this.below(items.reduce((sum, { weight }) => sum + weight, 0));
    return items.find(({ weight }) => (rest -= weight) < 0) ?? this.pick(items);
  }

  bytes(length: number): Buffer {
    const words = new Uint32Array(Math.ceil(length / 4));
    for (let index = 0; index < words.length; index++) words[index] = this.u32();
    return Buffer.from(words.buffer, 0, length);
  }
}
