import type { PhysicalMemory, PhysicalRange } from './memory.js';
import { hole } from './refusals.js';
import type { ByteSource } from './source.js';

/** Memory whose pages must be looked up, and perhaps decompressed, one by one. */
export interface PagedImage {
  readonly format: string;
  readonly architecture: string | undefined;
  /** Bytes, a power of two. */
  readonly pageSize: number;
  /** What is backed, in whole pages. A page of zeros that the file leaves out is backed, too. */
  readonly ranges: readonly PhysicalRange[];
  /**
   * Puts the page at the physical address `page * pageSize` into `target`, which is one page long. False when
   * the image does not hold it.
   * @throws OuaError `MEMORY_FORMAT` for a page that cannot be decoded, `MEMORY_TRUNCATED`
   */
  load(page: number, target: Buffer): boolean;
}

const cacheBytes = 16 * 1024 * 1024;
/** Longer reads are sweeps: they would only push out what is used again. */
const sweepBytes = 256 * 1024;

/** {@link PagedImage} as memory, with a cache of decoded pages of fixed size: the most recently used stay. */
export class PagedMemory implements PhysicalMemory {
  readonly path: string;
  readonly format: string;
  readonly architecture: string | undefined;
  readonly ranges: readonly PhysicalRange[];
  readonly #source: ByteSource;
  readonly #image: PagedImage;
  readonly #halfLimit: number;
  /** Two generations in place of an exact order of use: a page that is used again moves into the young one. */
  #young = new Map<number, Buffer>();
  #old = new Map<number, Buffer>();

  /** Takes charge of the source. */
  constructor(source: ByteSource, image: PagedImage) {
    this.path = source.path;
    this.format = image.format;
    this.architecture = image.architecture;
    this.ranges = image.ranges;
    this.#source = source;
    this.#image = image;
    this.#halfLimit = cacheBytes / 2 / image.pageSize;
  }

  read(address: number, length: number): Buffer {
    const size = this.#image.pageSize;
    const within = address % size;
    if (within + length <= size)
      return this.#page((address - within) / size).subarray(within, within + length);
    const target = Buffer.allocUnsafe(length);
    this.#fill(address, target, length <= sweepBytes);
    return target;
  }

  readInto(address: number, target: Buffer): void {
    this.#fill(address, target, false);
  }

  [Symbol.dispose](): void {
    this.#young.clear();
    this.#old.clear();
    this.#source[Symbol.dispose]();
  }

  #fill(address: number, target: Buffer, cached: boolean): void {
    const size = this.#image.pageSize;
    for (let done = 0; done < target.length;) {
      const within = (address + done) % size;
      const page = (address + done - within) / size;
      const count = Math.min(target.length - done, size - within);
      if (count === size && !cached) this.#load(page, target.subarray(done, done + size));
      else this.#page(page).copy(target, done, within, within + count);
      done += count;
    }
  }

  #page(page: number): Buffer {
    const young = this.#young.get(page);
    if (young) return young;
    let bytes = this.#old.get(page);
    if (!bytes) {
      bytes = Buffer.allocUnsafeSlow(this.#image.pageSize);
      this.#load(page, bytes);
    }
    if (this.#young.size >= this.#halfLimit) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(page, bytes);
    return bytes;
  }

  #load(page: number, target: Buffer): void {
    if (!this.#image.load(page, target)) throw hole(this.path, page * this.#image.pageSize);
  }
}
