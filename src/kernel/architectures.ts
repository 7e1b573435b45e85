import type { PhysicalMemory } from '../memory/memory.js';
import type { BannerHit } from './banners.js';
import { findAarch64Paging } from './paging-aarch64.js';
import { findImageMapping } from './paging-x86-64.js';
import type { ArchitectureName, Paging } from './paging.js';

/** What a kernel's own page tables prove about where it is. */
export interface ImageProof {
  readonly paging: Paging;
  /** Physical address of the kernel's top-level page table. */
  readonly root: number;
  /** The virtual address of the banner. */
  readonly virtual: bigint;
}

/** Looks a symbol up: addresses with any constant shift, the same for all. */
export type SymbolLookup = (name: string) => bigint | undefined;

/** What differs between the architectures when a kernel is to be found. */
export interface Architecture {
  readonly name: ArchitectureName;
  /** Where `_text` stands in a profile, whatever address a build is linked for. */
  readonly linkText: bigint;
  /** Bytes that the start of a running kernel's read-only data is a multiple of, physically. */
  readonly alignment: number;
  /** Whether a symbol at this address, with or without KASLR, is in the image and moves with it. */
  readonly inImage: (address: bigint) => boolean;
  /**
   * Proves that the kernel whose banner was found runs: its image is moved as one piece, so its page table is at the
   * banner's distance, and must lead back to the banner. Undefined when it does not.
   */
  readonly prove: (memory: PhysicalMemory, banner: BannerHit, symbol: SymbolLookup) => ImageProof | undefined;
}

const x86: Architecture = {
  name: 'x86-64',
  // Default CONFIG_PHYSICAL_START, which all distributions keep.
  linkText: 0xffffffff81000000n,
  alignment: 2 ** 21,
  // Per-CPU symbols were offsets from 0 until 6.15.
  inImage: (address) => address >= 0xffffffff81000000n,
  prove(memory, banner, symbol) {
    // init_top_pgt was init_level4_pgt until 65ade2f872b4 (4.13).
    const root =
      besideBanner(banner, symbol, 'init_top_pgt') ?? besideBanner(banner, symbol, 'init_level4_pgt');
    if (root === undefined || root % 4096 !== 0) return undefined;
    const mapping = findImageMapping(memory, root, banner.physical);
    return mapping && { ...mapping, root };
  },
};

const aarch64: Architecture = {
  name: 'aarch64',
  // KIMAGE_VADDR with 48 bits since 6.5; others are moved to it.
  linkText: 0xffff800080000000n,
  // SEGMENT_ALIGN, arch/arm64/include/asm/memory.h
  alignment: 2 ** 16,
  inImage: () => true,
  prove(memory, banner, symbol) {
    const root = besideBanner(banner, symbol, 'swapper_pg_dir');
    // Virtual minus physical address of the image, as the kernel itself keeps it.
    const variable = besideBanner(banner, symbol, 'kimage_voffset');
    if (root === undefined || root % 4096 !== 0 || variable === undefined) return undefined;
    if (!memory.ranges.some(({ start, end }) => variable >= start && variable + 8 <= end)) return undefined;
    const offset = memory.read(variable, 8).readBigUInt64LE(0);
    const place = (physical: number) => BigInt.asUintN(64, BigInt(physical) + offset);
    const paging = findAarch64Paging(
      memory,
      root,
      [banner.physical, root].map((physical) => [place(physical), physical] as const),
    );
    return paging && { paging, root, virtual: place(banner.physical) };
  },
};

/** Every architecture that can be read. */
export const architectures: readonly Architecture[] = [x86, aarch64];

/** The architecture of a name, as profiles hold it. */
export function architectureNamed(name: ArchitectureName): Architecture {
  return name === 'x86-64' ? x86 : aarch64;
}

/** Physical address of a variable of the image that the banner is in. */
function besideBanner(banner: BannerHit, symbol: SymbolLookup, name: string): number | undefined {
  const [own, other] = [symbol('linux_banner'), symbol(name)];
  if (own === undefined || other === undefined) return undefined;
  const physical = banner.physical + Number(other - own);
  return physical >= 0 && Number.isSafeInteger(physical) ? physical : undefined;
}
