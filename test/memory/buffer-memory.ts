import { hole } from '../../src/memory/refusals.js';
import type { PhysicalMemory, PhysicalRange } from '../../src/memory/memory.js';

/** Memory that is a buffer, from an address on. */
export class BufferMemory implements PhysicalMemory {
  readonly path = 'buffer';
  readonly format = 'buffer';
  readonly architecture = undefined;
  readonly ranges: readonly PhysicalRange[];

  constructor(
    readonly bytes: Buffer,
    readonly start = 0,
  ) {
    this.ranges = [{ start, end: start + bytes.length }];
  }

  read(address: number, length: number): Buffer {
    const at = address - this.start;
    if (at < 0 || at + length > this.bytes.length) throw hole(this.path, address);
    return this.bytes.subarray(at, at + length);
  }

  readInto(address: number, target: Buffer): void {
    this.read(address, target.length).copy(target);
  }

  [Symbol.dispose](): void {
    // nothing is held
  }
}

/** Other memory with some bytes changed, by physical address; its pages are copied when they are read. */
export class MutatedMemory implements PhysicalMemory {
  readonly path: string;
  readonly format: string;
  readonly architecture: string | undefined;
  readonly ranges: readonly PhysicalRange[];
  readonly #changes: readonly (readonly [address: number, value: number])[];

  constructor(
    readonly inner: PhysicalMemory,
    changes: Iterable<readonly [address: number, value: number]>,
  ) {
    this.path = inner.path;
    this.format = inner.format;
    this.architecture = inner.architecture;
    this.ranges = inner.ranges;
    this.#changes = [...changes];
  }

  read(address: number, length: number): Buffer {
    return this.#change(address, this.inner.read(address, length));
  }

  readInto(address: number, target: Buffer): void {
    this.inner.readInto(address, target);
    this.#change(address, target).copy(target);
  }

  #change(address: number, bytes: Buffer): Buffer {
    const hits = this.#changes.filter(([at]) => at >= address && at < address + bytes.length);
    if (hits.length === 0) return bytes;
    const copy = Buffer.from(bytes);
    for (const [at, value] of hits) copy[at - address] = value;
    return copy;
  }

  [Symbol.dispose](): void {
    // the inner memory is its owner's
  }
}
