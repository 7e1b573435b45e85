/**
 * Decompresses a stream of LZO1X, as makedumpfile and the kernel's swap compression write it (Linux,
 * Documentation/staging/lzo.rst, bitstream version 0). No kept library for it exists. True when the stream
 * is whole and fills `target` exactly.
 */
export function decodeLzo1x(input: Buffer, target: Buffer): boolean {
  return new Decoder(input, target).run();
}

/** What stands between an instruction's length bits being 0 and the length: zero bytes of 255 each, and the rest. */
const extensionLimit = 1 << 24;

class Decoder {
  #from = 0;
  #to = 0;
  #failed = false;

  constructor(
    readonly input: Buffer,
    readonly target: Buffer,
  ) {}

  run(): boolean {
    /** Literals copied by the last instruction: 0, 1 to 3, or 4 for a longer run. It gives short codes their sense. */
    let state = 0;
    const first = this.input[0] ?? 0;
    if (first > 17) {
      this.#from = 1;
      state = Math.min(first - 17, 4);
      this.#literals(first - 17);
    }
    while (!this.#failed) {
      const code = this.#byte();
      if (code < 16 && state === 0) {
        this.#literals(3 + (code || this.#extended(15)));
        state = 4;
        continue;
      }
      const trailing = this.#match(code, state);
      if (trailing === undefined) return !this.#failed && this.#atEnd();
      this.#literals(trailing);
      state = trailing;
    }
    return false;
  }

  /** Carries out a copy from what was decoded; returns the literals that follow, or undefined at the end. */
  #match(code: number, state: number): number | undefined {
    if (code >= 64) {
      this.#copy(1 + ((code >>> 2) & 7) + this.#byte() * 8, (code >>> 5) + 1);
      return code & 3;
    }
    if (code >= 16) {
      const far = code < 32;
      const mask = far ? 7 : 31;
      const length = 2 + (code & mask || this.#extended(mask));
      const word = this.#byte() + this.#byte() * 256;
      const distance = far ? 0x4000 + ((code & 8) << 11) + (word >>> 2) : 1 + (word >>> 2);
      if (far && distance === 0x4000) return undefined;
      this.#copy(distance, length);
      return word & 3;
    }
    const longRun = state === 4;
    this.#copy((longRun ? 2049 : 1) + (code >>> 2) + this.#byte() * 4, longRun ? 3 : 2);
    return code & 3;
  }

  #extended(base: number): number {
    let length = base;
    for (;;) {
      const byte = this.#byte();
      if (byte !== 0) return length + byte;
      length += 255;
      if (this.#failed || length > extensionLimit) {
        this.#failed = true;
        return 0;
      }
    }
  }

  #byte(): number {
    const byte = this.input[this.#from++];
    if (byte === undefined) this.#failed = true;
    return byte ?? 0;
  }

  #literals(length: number): void {
    if (this.#from + length > this.input.length || this.#to + length > this.target.length) {
      this.#failed = true;
      return;
    }
    this.input.copy(this.target, this.#to, this.#from, this.#from + length);
    this.#from += length;
    this.#to += length;
  }

  #copy(distance: number, length: number): void {
    if (distance > this.#to || this.#to + length > this.target.length) {
      this.#failed = true;
      return;
    }
    const { target } = this;
    for (const end = this.#to + length; this.#to < end; this.#to++)
      target[this.#to] = target[this.#to - distance] as number;
  }

  #atEnd(): boolean {
    return this.#from === this.input.length && this.#to === this.target.length;
  }
}
