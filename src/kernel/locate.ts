import type { PhysicalMemory } from '../memory/memory.js';
import { architectures, type Architecture, type SymbolLookup } from './architectures.js';
import { readOnlyWindow, type BannerHit } from './banners.js';
import { findKallsyms } from './kallsyms-find.js';
import { Kallsyms } from './kallsyms.js';
import type { AddressSpace, Paging } from './paging.js';

/** Where one kernel is, proved by its own page tables. */
export interface KernelLocation {
  readonly banner: BannerHit;
  readonly architecture: Architecture;
  /** Physical address of the top-level page table. */
  readonly root: number;
  readonly paging: Paging;
  /** What the symbols that it was located with differ by from its addresses. */
  readonly moved: bigint;
  /** What a profile's addresses of the image differ by: KASLR's shift, on x86-64. */
  readonly shift: bigint;
  /** The kernel's own address space. */
  readonly space: AddressSpace;
}

/** The architectures that a memory image may be of: the one that its format states, or all. */
export function architecturesOf(memory: PhysicalMemory): readonly Architecture[] {
  return memory.architecture === undefined
    ? architectures
    : architectures.filter(({ name }) => name === memory.architecture);
}

/** A kernel's symbol table, and the pieces of physical memory that it is made of. */
export interface FoundKallsyms {
  readonly kallsyms: Kallsyms;
  readonly places: readonly { readonly physical: number; readonly length: number }[];
}

/** The symbol table in the read-only data that a banner is in, or undefined. kallsyms is linked last, so behind it. */
export function kallsymsAt(memory: PhysicalMemory, hit: BannerHit): FoundKallsyms | undefined {
  const range = memory.ranges.find(({ start, end }) => hit.physical >= start && hit.physical < end);
  if (!range) return undefined;
  const start = Math.max(range.start, hit.physical - (hit.physical % 4096));
  const tables = findKallsyms(memory, start, Math.min(range.end, start + readOnlyWindow));
  if (!tables) return undefined;
  const places = tables.spans.map((span) => ({
    physical: start + span.start,
    length: span.end - span.start,
  }));
  return { kallsyms: new Kallsyms(tables), places };
}

/**
 * Proves where a kernel is, from the banner that was found and its symbols. Undefined when its page tables do not
 * lead to it.
 *
 * @param symbol addresses with any constant shift, the same for all
 */
export function proveLocation(
  memory: PhysicalMemory,
  banner: BannerHit,
  symbol: SymbolLookup,
  candidates: readonly Architecture[] = architecturesOf(memory),
): KernelLocation | undefined {
  const [bannerSymbol, text] = [symbol('linux_banner'), symbol('_text')];
  if (bannerSymbol === undefined || text === undefined) return undefined;
  for (const architecture of candidates) {
    const proof = architecture.prove(memory, banner, symbol);
    if (!proof) continue;
    const { paging, root, virtual } = proof;
    const moved = virtual - bannerSymbol;
    return {
      banner,
      architecture,
      root,
      paging,
      moved,
      shift: moved + text - architecture.linkText,
      space: paging.kernelSpace(memory, root),
    };
  }
  return undefined;
}
