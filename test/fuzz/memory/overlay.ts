import { hole } from '../../../src/memory/refusals.js';
import type { PhysicalMemory, PhysicalRange } from '../../../src/memory/memory.js';

export const pageSize = 4096;

/** Other memory with some pages of its own: what is written is here only, and the memory below stays as it is. */
export class OverlayMemory implements PhysicalMemory {
  readonly path: string;
  readonly format: string;
  readonly architecture: string | undefined;
  readonly #inner: PhysicalMemory;
  readonly #pages = new Map<number, Buffer>();
  #ranges: readonly PhysicalRange[];

  constructor(inner: PhysicalMemory) {
    this.path = inner.path;
    this.format = inner.format;
    this.architecture = inner.architecture;
    this.#inner = inner;
    this.#ranges = inner.ranges;
  }

  get ranges(): readonly PhysicalRange[] {
    return this.#ranges;
  }

  /** Takes away all memory from an address on. */
  cut(end: number): void {
    this.#ranges = this.#ranges
      .filter(({ start }) => start < end)
      .map((range) => ({ start: range.start, end: Math.min(range.end, end) }));
  }

  /** Adds memory above all that there is, page by page, filled with these bytes. */
  add(start: number, bytes: Buffer): void {
    this.#ranges = [...this.#ranges, { start, end: start + bytes.length }];
    for (let at = 0; at < bytes.length; at += pageSize)
      this.#pages.set((start + at) / pageSize, bytes.subarray(at, at + pageSize));
  }

  /** Copies the pages that are written to. What lies in no whole page of this memory is left out. */
  write(address: number, bytes: Buffer): void {
    for (let done = 0; done < bytes.length;) {
      const inPage = (address + done) % pageSize;
      const count = Math.min(bytes.length - done, pageSize - inPage);
      this.#page(address + done - inPage)?.set(bytes.subarray(done, done + count), inPage);
      done += count;
    }
  }

  read(address: number, length: number): Buffer {
    const [first, last] = pagesOf(address, length);
    if (first === last) {
      this.#check(address, length);
      const inPage = address % pageSize;
      const page = this.#pages.get(first);
      return page ? page.subarray(inPage, inPage + length) : this.#inner.read(address, length);
    }
    const target = Buffer.allocUnsafe(length);
    this.readInto(address, target);
    return target;
  }

  readInto(address: number, target: Buffer): void {
    this.#check(address, target.length);
    const [first, last] = pagesOf(address, target.length);
    const own = this.#pagesBetween(first, last);
    // The memory below knows nothing of a range that was added, and all pages of that are our own.
    if (own.length <= last - first) this.#inner.readInto(address, target);
    for (const number of own) {
      const start = number * pageSize;
      const from = Math.max(start, address);
      const to = Math.min(start + pageSize, address + target.length);
      this.#pages.get(number)?.copy(target, from - address, from - start, to - start);
    }
  }

  [Symbol.dispose](): void {
    // the memory below is its owner's
  }

  #pagesBetween(first: number, last: number): number[] {
    if (last - first > this.#pages.size)
      return [...this.#pages.keys()].filter((number) => number >= first && number <= last);
    const own: number[] = [];
    for (let number = first; number <= last; number++) if (this.#pages.has(number)) own.push(number);
    return own;
  }

  #page(start: number): Buffer | undefined {
    const number = start / pageSize;
    let page = this.#pages.get(number);
    if (page || !this.#ranges.some((range) => start >= range.start && start + pageSize <= range.end))
      return page;
    page = Buffer.from(this.#inner.read(start, pageSize));
    this.#pages.set(number, page);
    return page;
  }

  #check(address: number, length: number): void {
    if (this.#ranges === this.#inner.ranges) return;
    const range = this.#ranges.find(({ start, end }) => address >= start && address < end);
    if (!range || address + length > range.end) throw hole(this.path, address);
  }
}

/** Numbers of the first and the last page that a read touches. */
function pagesOf(address: number, length: number): [first: number, last: number] {
  return [Math.floor(address / pageSize), Math.floor((address + Math.max(1, length) - 1) / pageSize)];
}
