import type { PhysicalMemory } from '../memory/memory.js';

const pageShift = 12;
const present = 1;
const pageSizeBit = 0x80;
const tlbLimit = 1 << 16;

/** Levels of page tables in use: 5 with LA57. */
export type PagingLevels = 4 | 5;

/**
 * One x86-64 address space: virtual to physical through the page tables at `root` (Intel SDM vol. 3, 4.5).
 * With page-table isolation `root` is the kernel's half, `CR3 & ~0x1fff`.
 */
export class AddressSpace {
  readonly #memory: PhysicalMemory;
  readonly #root: number;
  readonly #levels: PagingLevels;
  /** Page number → physical address of the page. */
  readonly #tlb = new Map<number, number>();

  constructor(memory: PhysicalMemory, root: number, levels: PagingLevels) {
    this.#memory = memory;
    this.#root = root;
    this.#levels = levels;
  }

  /** Physical address behind a virtual one, or undefined when it is not mapped to a present page. */
  translate(address: bigint): number | undefined {
    const low = Number(address & 0xffffffffn);
    const page = Number(BigInt.asUintN(57, address) >> 12n);
    let base = this.#tlb.get(page);
    if (base === undefined) {
      base = this.#walk(page);
      if (base === undefined) return undefined;
      if (this.#tlb.size >= tlbLimit) this.#tlb.clear();
      this.#tlb.set(page, base);
    }
    return base + (low & 0xfff);
  }

  /** Physical address of the 4 KiB page; a huge page yields the part that is asked for. */
  #walk(page: number): number | undefined {
    let table = this.#root;
    for (let level: number = this.#levels; level >= 1; level--) {
      const index = Math.floor(page / 2 ** (9 * (level - 1))) % 512;
      const entry = readEntry(this.#memory, table + index * 8);
      if (entry === undefined) return undefined;
      if (level === 1) return entry.frame;
      if (entry.flags & pageSizeBit) {
        if (level > 3) return undefined;
        const span = 2 ** (pageShift + 9 * (level - 1));
        return entry.frame - (entry.frame % span) + ((page * 4096) % span);
      }
      table = entry.frame;
    }
    return undefined;
  }
}

/** A present entry of a page table, or undefined. */
function readEntry(memory: PhysicalMemory, address: number): { frame: number; flags: number } | undefined {
  if (!isBacked(memory, address)) return undefined;
  const bytes = memory.read(address, 8);
  const low = bytes.readUInt32LE(0);
  if (!(low & present)) return undefined;
  const high = bytes.readUInt32LE(4);
  return { frame: (high & 0xfffff) * 2 ** 32 + ((low & 0xfffff000) >>> 0), flags: low & 0xfff };
}

/** Whether 8 bytes, aligned, at a physical address are in the image. */
function isBacked(memory: PhysicalMemory, address: number): boolean {
  return memory.ranges.some((range) => address >= range.start && address + 8 <= range.end);
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
): { readonly virtual: bigint; readonly levels: PagingLevels } | undefined {
  const within = BigInt(physical % 0x200000);
  for (const levels of [4, 5] as const) {
    const space = new AddressSpace(memory, root, levels);
    for (let slot = 0; slot < kernelImageSlots; slot++) {
      const virtual = kernelImageStart + BigInt(slot) * 0x200000n + within;
      if (space.translate(virtual) === physical) return { virtual, levels };
    }
  }
  return undefined;
}
