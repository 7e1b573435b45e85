import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, OuaError } from '../base/errors.js';
import type { PhysicalMemory, PhysicalRange } from './memory.js';

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

/** An open memory image file: bounded positioned reads, before and after its format is known. */
export class ImageFile implements Disposable {
  readonly #fd: number;
  #open = true;
  readonly size: number;

  /** @throws OuaError `FILE_MISSING` when there is no such file or it may not be read. */
  constructor(readonly path: string) {
    try {
      this.#fd = openSync(path, 'r');
    } catch (error) {
      throw new OuaError(
        'FILE_MISSING',
        `the memory image ${path} cannot be opened (${errnoOf(error) ?? String(error)})`,
        'give the path of a memory image that you may read',
        { cause: error },
      );
    }
    this.size = fstatSync(this.#fd).size;
  }

  /** @throws OuaError `MEMORY_TRUNCATED` when the file ends before `length` bytes are read. */
  readInto(offset: number, target: Buffer): void {
    for (let done = 0; done < target.length;) {
      const count = readSync(this.#fd, target, done, target.length - done, offset + done);
      if (count === 0) throw truncated(this.path, offset + done, this.size);
      done += count;
    }
  }

  read(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw truncated(this.path, offset + length, this.size);
    const target = Buffer.allocUnsafe(length);
    this.readInto(offset, target);
    return target;
  }

  /** May be called again: a guest takes charge of its memory, and so may whoever opened it. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }
}

export function truncated(path: string, wanted: number, size: number): OuaError {
  return new OuaError(
    'MEMORY_TRUNCATED',
    `the memory image ${path} ends at byte ${size}, but should reach byte ${wanted}`,
    'suspend the guest again and save its whole memory; check the disk for space',
  );
}

/**
 * Memory whose bytes lie uncompressed in a file: a table of extents, positioned reads, and a cache of a fixed
 * number of chunks, so that memory use does not depend on the guest's size.
 */
export class ExtentMemory implements PhysicalMemory {
  readonly path: string;
  readonly format: string;
  readonly architecture: string | undefined;
  readonly ranges: readonly PhysicalRange[];
  readonly #file: ImageFile;
  readonly #extents: readonly Extent[];
  readonly #chunks = new Map<number, Buffer>();

  /**
   * Takes charge of the file.
   * @throws OuaError `MEMORY_FORMAT` for extents that overlap, `MEMORY_TRUNCATED` for one beyond the file's end.
   */
  constructor(file: ImageFile, image: ExtentImage) {
    this.path = file.path;
    this.format = image.format;
    this.architecture = image.architecture;
    this.#file = file;
    this.#extents = [...image.extents].sort((a, b) => a.address - b.address);
    for (const extent of this.#extents)
      if (extent.offset + extent.length > file.size)
        throw truncated(file.path, extent.offset + extent.length, file.size);
    this.ranges = joinRanges(file.path, this.#extents);
  }

  read(address: number, length: number): Buffer {
    const base = address - (address % chunkSize);
    if (address + length <= base + chunkSize) {
      const chunk = this.#chunks.get(base) ?? this.#load(base);
      if (chunk) return chunk.subarray(address - base, address - base + length);
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

  /** The chunk at `base`, or undefined when one extent does not back all of it: such edges are read past the cache. */
  #load(base: number): Buffer | undefined {
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
    this.#chunks.set(base, chunk);
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

export function hole(path: string, address: number): OuaError {
  return new OuaError(
    'MEMORY_HOLE',
    `the memory image ${path} has no bytes for the physical address 0x${address.toString(16)}`,
    'save the whole memory of the guest, with all its memory devices',
  );
}

function joinRanges(path: string, extents: readonly Extent[]): PhysicalRange[] {
  const ranges: { start: number; end: number }[] = [];
  for (const extent of extents) {
    const last = ranges.at(-1);
    if (last && extent.address < last.end)
      throw new OuaError(
        'MEMORY_FORMAT',
        `the memory image ${path} describes the physical address 0x${extent.address.toString(16)} twice`,
        'the file is damaged: save the memory of the guest again',
      );
    if (last && extent.address === last.end) last.end = extent.address + extent.length;
    else ranges.push({ start: extent.address, end: extent.address + extent.length });
  }
  return ranges;
}
