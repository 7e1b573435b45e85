import { unreadable } from './refusals.js';

const chunkPages = 4096;
const freeBytes = 64 * 1024 * 1024;

/**
 * How much memory the indices of one file may take. They are made in chunks, where there are pages; a real file
 * has more bytes than its index, so one that would need more than that (and 64 MiB) was made to.
 */
export class IndexBudget {
  #left: number;

  constructor(
    readonly path: string,
    fileSize: number,
  ) {
    this.#left = fileSize + freeBytes;
  }

  take(bytes: number): void {
    this.#left -= bytes;
    if (this.#left < 0) throw unreadable(this.path, 'it claims more memory than it can hold');
  }
}

/** A number for each page of a block, 8 bytes a page; 0 where none was set. */
export class PageIndex {
  readonly #chunks = new Map<number, Float64Array>();
  readonly #budget: IndexBudget;

  constructor(budget: IndexBudget) {
    this.#budget = budget;
  }

  at(page: number): number {
    const within = page % chunkPages;
    return this.#chunks.get((page - within) / chunkPages)?.[within] ?? 0;
  }

  set(page: number, value: number): void {
    const within = page % chunkPages;
    const number = (page - within) / chunkPages;
    let chunk = this.#chunks.get(number);
    if (!chunk) {
      this.#budget.take(chunkPages * 8);
      chunk = new Float64Array(chunkPages);
      this.#chunks.set(number, chunk);
    }
    chunk[within] = value;
  }

  /** The runs of pages that were set, ascending; a run may end at the edge of a chunk and go on as the next one. */
  *runs(): Generator<readonly [first: number, end: number]> {
    for (const number of [...this.#chunks.keys()].sort((a, b) => a - b)) {
      const chunk = this.#chunks.get(number) as Float64Array;
      for (let at = 0; at < chunkPages; at++) {
        if (chunk[at] === 0) continue;
        const first = at;
        while (at < chunkPages && chunk[at] !== 0) at++;
        yield [number * chunkPages + first, number * chunkPages + at];
      }
    }
  }
}
