import { closeSync, openSync, writeSync } from 'node:fs';
import type { PhysicalMemory } from '../../../src/memory/memory.js';

/** A file that is written in order, or at an offset. */
export class Output implements Disposable {
  readonly #fd: number;
  #at = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
  }

  /** Where the next byte goes. */
  get at(): number {
    return this.#at;
  }

  /** Goes on at another offset; what is left out stays a hole of the file. */
  seek(offset: number): void {
    this.#at = offset;
  }

  /** Writes the parts one behind the other and returns where they start. */
  write(...parts: readonly Buffer[]): number {
    const start = this.#at;
    for (const part of parts) {
      writeSync(this.#fd, part, 0, part.length, this.#at);
      this.#at += part.length;
    }
    return start;
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd);
  }
}

const windowSize = 1 << 20;

/** The pages of a memory by number, ascending. The bytes are valid until the next one is asked for. */
export function* pagesOf(memory: PhysicalMemory, pageSize = 4096): Generator<readonly [number, Buffer]> {
  const window = Buffer.alloc(windowSize);
  for (const { start, end } of memory.ranges)
    for (let base = start; base < end; base += windowSize) {
      const view = window.subarray(0, Math.min(windowSize, end - base));
      memory.readInto(base, view);
      for (let at = 0; at < view.length; at += pageSize)
        yield [(base + at) / pageSize, view.subarray(at, at + pageSize)];
    }
}

const zeros = Buffer.alloc(65536);

export function isZero(page: Buffer): boolean {
  return page.equals(zeros.subarray(0, page.length));
}

export function le32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32LE(value, index * 4));
  return bytes;
}

export function le64(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeBigUInt64LE(BigInt(value), index * 8));
  return bytes;
}

export function be32(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeUInt32BE(value, index * 4));
  return bytes;
}

export function be64(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => bytes.writeBigInt64BE(BigInt(value), index * 8));
  return bytes;
}
