import type { PhysicalMemory } from '../memory/memory.js';
import { PageWalker, readEntry, type AddressSpace, type Paging } from './paging.js';

const valid = 1;
/** In a table's entry: another table or, on the last level, a page. Without it a block, or nothing. */
const tableOrPage = 2;
const pieceSize = 4096;
const pieceShift = 12;

/** log2 of the granule: pages of 4, 16 or 64 KiB. */
export type GranuleShift = 12 | 14 | 16;

/**
 * aarch64's page tables (Arm ARM, D8): the kernel's half of the addresses has a root of its own (TTBR1), all ones
 * above the translated bits; a process's has all zeros there (TTBR0).
 */
export class Aarch64Paging implements Paging {
  readonly architecture = 'aarch64';
  readonly pageSize: number;
  readonly levels: number;

  /** @param virtualBits bits that are translated, `64 - TCR_EL1.T1SZ` */
  constructor(
    readonly granuleShift: GranuleShift,
    readonly virtualBits: number,
  ) {
    this.pageSize = 2 ** granuleShift;
    this.levels = Math.ceil((virtualBits - granuleShift) / (granuleShift - 3));
  }

  kernelSpace(memory: PhysicalMemory, root: number): AddressSpace {
    return new Aarch64AddressSpace(memory, root, this, 2 ** (64 - this.virtualBits) - 1);
  }

  userSpace(memory: PhysicalMemory, root: number): AddressSpace {
    return new Aarch64AddressSpace(memory, root, this, 0);
  }

  /** The physical address in an entry. */
  output(low: number, high: number): number {
    const within = (high & 0xffff) * 2 ** 32 + ((low & -this.pageSize) >>> 0);
    // FEAT_LPA: with 64 KiB bits 51:48 are in 15:12, which are zero without it.
    if (this.granuleShift === 16) return within + ((low >>> 12) & 0xf) * 2 ** 48;
    // FEAT_LPA2: only 52 virtual bits need it, and then bits 51:50 take the place of the shareability.
    if (this.virtualBits === 52) return within + ((high >>> 16) & 3) * 2 ** 48 + ((low >>> 8) & 3) * 2 ** 50;
    return within;
  }
}

class Aarch64AddressSpace extends PageWalker {
  readonly #memory: PhysicalMemory;
  readonly #root: number;
  readonly #paging: Aarch64Paging;
  /** What the address has above the translated bits. */
  readonly #top: number;

  constructor(memory: PhysicalMemory, root: number, paging: Aarch64Paging, top: number) {
    super();
    this.#memory = memory;
    this.#root = root;
    this.#paging = paging;
    this.#top = top;
  }

  protected walk(page: number): number | undefined {
    const { granuleShift, virtualBits, levels } = this.#paging;
    if (Math.floor(page / 2 ** (virtualBits - pieceShift)) !== this.#top) return undefined;
    const within = page % 2 ** (virtualBits - pieceShift);
    let table = this.#root;
    for (let level = levels; level >= 1; level--) {
      const shift = granuleShift + (granuleShift - 3) * (level - 1);
      const pieces = 2 ** (shift - pieceShift);
      // The root table has fewer entries when the bits do not fill it: then the index is small by itself.
      const index = Math.floor(within / pieces) % 2 ** (granuleShift - 3);
      const entry = readEntry(this.#memory, table + index * 8);
      if (entry === undefined || !(entry.low & valid)) return undefined;
      const output = this.#paging.output(entry.low, entry.high);
      const leads = (entry.low & tableOrPage) !== 0;
      if (level === 1 ? leads : !leads && hasBlocks(granuleShift, level))
        return output - (output % (pieces * pieceSize)) + (within % pieces) * pieceSize;
      if (!leads || level === 1) return undefined;
      table = output;
    }
    return undefined;
  }
}

/** The levels on which Linux maps blocks: the last but one, and with 4 KiB the one above it (`pud_sect_supported`). */
function hasBlocks(granuleShift: GranuleShift, level: number): boolean {
  return level === 2 || (level === 3 && granuleShift === 12);
}

/** What Linux can be built for (`arch/arm64/Kconfig`), the most common first. */
const configurations: readonly (readonly [GranuleShift, virtualBits: number])[] = [
  [12, 48],
  [12, 52],
  [16, 48],
  [16, 52],
  [14, 48],
  [14, 47],
  [14, 52],
  [12, 39],
  [14, 36],
  [16, 42],
];

/**
 * The paging under which the tables at `root` map all of some virtual addresses to their physical ones, or
 * undefined when there is none.
 */
export function findAarch64Paging(
  memory: PhysicalMemory,
  root: number,
  mapped: readonly (readonly [virtual: bigint, physical: number])[],
): Aarch64Paging | undefined {
  return configurations
    .map(([granule, bits]) => new Aarch64Paging(granule, bits))
    .find((paging) => {
      const space = paging.kernelSpace(memory, root);
      return mapped.every(([virtual, physical]) => space.translate(virtual) === physical);
    });
}
