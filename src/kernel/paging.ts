import type { PhysicalMemory } from '../memory/memory.js';
import { pieceOf, withinPiece } from './words.js';

/** Processor architectures whose guests can be read, by the names that memory formats and profiles use. */
export const architectureNames = ['x86-64', 'aarch64'] as const;
export type ArchitectureName = (typeof architectureNames)[number];

/** One address space of the guest: the kernel's or a process's. */
export interface AddressSpace {
  /** Physical address behind a virtual one, or undefined when it is not mapped to a present page. */
  translate(address: bigint): number | undefined;
}

/** How a guest's page tables are to be read. */
export interface Paging {
  readonly architecture: ArchitectureName;
  /** Bytes of the kernel's pages: what its counters of pages count. */
  readonly pageSize: number;
  /** The kernel's addresses, through the tables at the physical address `root`. */
  kernelSpace(memory: PhysicalMemory, root: number): AddressSpace;
  /** A process's addresses, through the tables that its `mm->pgd` names. */
  userSpace(memory: PhysicalMemory, root: number): AddressSpace;
}

const tlbLimit = 1 << 16;

/** Remembers what a walk through page tables found, by pieces of 4 KiB: the smallest page of any architecture. */
export abstract class PageWalker implements AddressSpace {
  /** Page number → physical address of the page. */
  readonly #tlb = new Map<number, number>();

  translate(address: bigint): number | undefined {
    const page = pieceOf(address);
    let base = this.#tlb.get(page);
    if (base === undefined) {
      base = this.walk(page);
      if (base === undefined) return undefined;
      if (this.#tlb.size >= tlbLimit) this.#tlb.clear();
      this.#tlb.set(page, base);
    }
    return base + withinPiece(address);
  }

  /** Physical address of a piece of 4 KiB, named by its number (52 bits), or undefined. */
  protected abstract walk(page: number): number | undefined;
}

/** An entry of a page table in its two halves, or undefined where the image has no bytes for it. */
export function readEntry(
  memory: PhysicalMemory,
  address: number,
): { readonly low: number; readonly high: number } | undefined {
  if (!memory.ranges.some((range) => address >= range.start && address + 8 <= range.end)) return undefined;
  const bytes = memory.read(address, 8);
  return { low: bytes.readUInt32LE(0), high: bytes.readUInt32LE(4) };
}
