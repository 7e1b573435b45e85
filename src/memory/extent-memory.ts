import type { PhysicalMemory, PhysicalRange } from './memory.js';
import { RangeList } from './ranges.js';
import { hole, truncated } from './refusals.js';
import type { ByteSource } from './source.js';

/** `length` bytes of guest memory at `address`, stored as they are at `offset` of the file. */
export interface Extent {
  readonly address: number;
  readonly length: number;
  readonly offset: number;
}

/** What a format's opener found out about the file. */
export interface ExtentImage {
  readonly format: string;
  readonly architecture: string | undefined;
  readonly extents: readonly Extent[];
}

const chunkSize = 16 * 1024;
const chunkLimit = 1024;

/**
 * Memory whose bytes lie uncompressed in a file: a table of extents, positioned reads, and a cache of a fixed
 * number of chunks, so that memory use does not depend on the guest's size.
 */
export class ExtentMemory implements PhysicalMemory {
  readonly path: string;
  readonly format: string;
  readonly architecture: string | undefined;
  readonly ranges: readonly PhysicalRange[];
  readonly #file: ByteSource;
  readonly #extents: readonly Extent[];
  readonly #chunks = new Map<number, Buffer>();

  /**
   * Takes charge of the file.
   * @throws OuaError `MEMORY_FORMAT` for extents that overlap, `MEMORY_TRUNCATED` for one beyond the file's end.
   */
  constructor(file: ByteSource, image: ExtentImage) {
    this.path = file.path;
    this.format = image.format;
    this.architecture = image.architecture;
    this.#file = file;
    this.#extents = [...image.extents].sort((a, b) => a.address - b.address);
    const list = new RangeList(file.path);
    for (const { address, length, offset } of this.#extents) {
      if (offset + length > file.size) throw truncated(file.path, offset + length, file.size);
      list.add(address, address + length);
    }
    this.ranges = list.ranges;
  }

  read(address: number, length: number): Buffer {
    const number = Math.floor(address / chunkSize);
    const within = address - number * chunkSize;
    if (within + length <= chunkSize) {
      const chunk = this.#chunks.get(number) ?? this.#load(number);
      if (chunk) return chunk.subarray(within, within + length);
    }
    const target = Buffer.allocUnsafe(length);
    this.readInto(address, target);
    return target;
  }

  readInto(address: number, target: Buffer): void {
    for (let done = 0; done < target.length;) {
      const extent = this.#extentAt(address + done);
      if (!extent) throw hole(this.path, address + done);
      const skip = address + done - extent.address;
      const count = Math.min(target.length - done, extent.length - skip);
      this.#file.readInto(extent.offset + skip, target.subarray(done, done + count));
      done += count;
    }
  }

  [Symbol.dispose](): void {
    this.#chunks.clear();
    this.#file[Symbol.dispose]();
  }

  /** A chunk by its number, or undefined when one extent does not back all of it: such edges are read past the cache. */
  #load(number: number): Buffer | undefined {
    const base = number * chunkSize;
    const extent = this.#extentAt(base);
    if (!extent || base + chunkSize > extent.address + extent.length) return undefined;
    if (this.#chunks.size >= chunkLimit) {
      for (const oldest of this.#chunks.keys()) {
        this.#chunks.delete(oldest);
        break;
      }
    }
    const chunk = Buffer.allocUnsafeSlow(chunkSize);
    this.#file.readInto(extent.offset + base - extent.address, chunk);
    this.#chunks.set(number, chunk);
    return chunk;
  }

  #extentAt(address: number): Extent | undefined {
    let low = 0;
    let high = this.#extents.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const extent = this.#extents[middle] as Extent;
      if (address < extent.address) high = middle;
      else if (address >= extent.address + extent.length) low = middle + 1;
      else return extent;
    }
    return undefined;
  }
}
