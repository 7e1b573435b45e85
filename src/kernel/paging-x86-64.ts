import type { PhysicalMemory } from '../memory/memory.js';
import { PageWalker, readEntry, type AddressSpace, type Paging } from './paging.js';

const present = 1;
const pageSizeBit = 0x80;
const pieceSize = 4096;
/** Bits of a page's number in a 64-bit address. */
const numberBits = 52;

/** Levels of page tables in use: 5 with LA57. */
export type PagingLevels = 4 | 5;

/** x86-64's page tables (Intel SDM vol. 3, 4.5): one root for the kernel and the process. */
export class X86Paging implements Paging {
  readonly architecture = 'x86-64';
  readonly pageSize = 4096;

  constructor(readonly levels: PagingLevels) {}

  kernelSpace(memory: PhysicalMemory, root: number): AddressSpace {
    return new X86AddressSpace(memory, root, this.levels);
  }

  /** With page-table isolation `root` is the kernel's half, `CR3 & ~0x1fff`: what `mm->pgd` is. */
  userSpace(memory: PhysicalMemory, root: number): AddressSpace {
    return new X86AddressSpace(memory, root, this.levels);
  }
}

class X86AddressSpace extends PageWalker {
  readonly #memory: PhysicalMemory;
  readonly #root: number;
  readonly #levels: number;

  constructor(memory: PhysicalMemory, root: number, levels: PagingLevels) {
    super();
    this.#memory = memory;
    this.#root = root;
    this.#levels = levels;
  }

  /** A huge page yields the piece that is asked for. */
  protected walk(page: number): number | undefined {
    if (!isCanonical(page, this.#levels)) return undefined;
    let table = this.#root;
    for (let level = this.#levels; level >= 1; level--) {
      const index = Math.floor(page / 2 ** (9 * (level - 1))) % 512;
      const entry = readEntry(this.#memory, table + index * 8);
      if (entry === undefined || !(entry.low & present)) return undefined;
      const frame = (entry.high & 0xfffff) * 2 ** 32 + ((entry.low & 0xfffff000) >>> 0);
      if (level === 1) return frame;
      if (entry.low & pageSizeBit) {
        if (level > 3) return undefined;
        const pieces = 512 ** (level - 1);
        return frame - (frame % (pieces * pieceSize)) + (page % pieces) * pieceSize;
      }
      table = frame;
    }
    return undefined;
  }
}

/** All bits above the translated ones must be as the highest of those: others fault. */
function isCanonical(page: number, levels: number): boolean {
  const bits = 9 * levels - 1;
  const top = Math.floor(page / 2 ** bits);
  return top === 0 || top === 2 ** (numberBits - bits) - 1;
}

const kernelImageStart = 0xffffffff80000000n;
const kernelImageSlots = 512;

/**
 * The virtual address in the kernel's image area (`-2 GiB` and up, where KASLR moves it in steps of 2 MiB) that
 * the page tables at `root` map to the physical one, and with how many levels.
 */
export function findImageMapping(
  memory: PhysicalMemory,
  root: number,
  physical: number,
): { readonly virtual: bigint; readonly paging: X86Paging } | undefined {
  const within = BigInt(physical % 0x200000);
  for (const levels of [4, 5] as const) {
    const paging = new X86Paging(levels);
    const space = paging.kernelSpace(memory, root);
    for (let slot = 0; slot < kernelImageSlots; slot++) {
      const virtual = kernelImageStart + BigInt(slot) * 0x200000n + within;
      if (space.translate(virtual) === physical) return { virtual, paging };
    }
  }
  return undefined;
}
