import type { PhysicalMemory } from '../memory/memory.js';
import { scan } from '../memory/scan.js';
import { findKallsyms } from './kallsyms-find.js';
import { Kallsyms } from './kallsyms.js';
import { AddressSpace, findImageMapping, type PagingLevels } from './paging-x86-64.js';

/** A kernel's `linux_banner` that stands in physical memory. */
export interface BannerHit {
  readonly physical: number;
  /** With its newline. */
  readonly banner: string;
}

/** Where one kernel is, proved by its own page tables. */
export interface KernelLocation {
  readonly banner: BannerHit;
  /** Physical address of the top-level page table. */
  readonly root: number;
  readonly levels: PagingLevels;
  /** What KASLR added to every address of the image. */
  readonly shift: bigint;
  readonly space: AddressSpace;
}

/** Default CONFIG_PHYSICAL_START, which all distributions keep: `_text` before KASLR. */
export const linkText = 0xffffffff81000000n;

const hugePage = 0x200000;
const bannerStart = Buffer.from('Linux version ', 'latin1');
/** linux_proc_banner, from init/version.c: among the first objects of the kernel's read-only data. */
const procBannerStart = Buffer.from('%s version %s (', 'latin1');
const procBannerWindow = 4096;
const maxBanner = 1024;
const bannerShape = /^Linux version (\S+) \(.{1,512}\) #\d+ [^\n]{1,512}\n$/s;
/** How much read-only data is looked through: distributions' kernels have 8 to 20 MB, kallsyms included. */
const readOnlyWindow = 32 * 1024 * 1024;
const maxBanners = 64;
/** Limits for hostile memory: places that look like a kernel's read-only data, and banner starts that are none. */
const maxPlaces = 32;
const maxStarts = 65_536;

/** The release in a banner, or undefined when it is none. */
export function releaseOf(banner: string): string | undefined {
  return bannerShape.exec(banner)?.[1];
}

/**
 * Banners of kernels in the place of a running one: its read-only data starts on a 2 MiB page, and
 * `linux_proc_banner` is in the first 4 KiB of it. Reads 4 KiB for each 2 MiB of memory.
 */
export function* alignedBanners(memory: PhysicalMemory): Generator<BannerHit> {
  const window = Buffer.allocUnsafe(procBannerWindow);
  let places = 0;
  for (const range of memory.ranges) {
    const first = Math.ceil(range.start / hugePage) * hugePage;
    for (let base = first; base + procBannerWindow <= range.end; base += hugePage) {
      memory.readInto(base, window);
      if (window.indexOf(procBannerStart) < 0) continue;
      if (++places > maxPlaces) return;
      for (const physical of scan(memory, bannerStart, { start: base, end: base + readOnlyWindow })) {
        const hit = bannerAt(memory, physical);
        if (!hit) continue;
        yield hit;
        break;
      }
    }
  }
}

/** Banners anywhere in memory: reads all of it. Bounded in number, because logs and files hold copies. */
export function* allBanners(memory: PhysicalMemory): Generator<BannerHit> {
  let count = 0;
  let starts = 0;
  for (const physical of scan(memory, bannerStart)) {
    if (++starts > maxStarts) return;
    const hit = bannerAt(memory, physical);
    if (!hit) continue;
    yield hit;
    if (++count >= maxBanners) return;
  }
}

/** The banner at a physical address: text of the right shape, ended by a newline and a NUL, or undefined. */
export function bannerAt(memory: PhysicalMemory, physical: number): BannerHit | undefined {
  const range = memory.ranges.find((candidate) => physical >= candidate.start && physical < candidate.end);
  if (!range) return undefined;
  const bytes = memory.read(physical, Math.min(maxBanner, range.end - physical));
  const end = bytes.indexOf(0);
  if (end < 0) return undefined;
  const banner = bytes.toString('latin1', 0, end);
  return bannerShape.test(banner) ? { physical, banner } : undefined;
}

/** The symbol table in the read-only data that a banner is in, or undefined. kallsyms is linked last, so behind it. */
export function kallsymsOf(memory: PhysicalMemory, hit: BannerHit): Kallsyms | undefined {
  const range = memory.ranges.find(({ start, end }) => hit.physical >= start && hit.physical < end);
  if (!range) return undefined;
  const start = Math.max(range.start, hit.physical - (hit.physical % 4096));
  const tables = findKallsyms(memory, start, Math.min(range.end, start + readOnlyWindow));
  return tables && new Kallsyms(tables);
}

/**
 * Proves where a kernel is, from the banner that was found and where its symbols say that the banner and the
 * top-level page table are: the image is moved as one piece, so the page table's physical address follows, and
 * its own entries must map some address of the image area back to the banner. Undefined when they do not.
 *
 * @param symbol addresses with any constant shift, the same for all
 */
export function proveLocation(
  memory: PhysicalMemory,
  banner: BannerHit,
  symbol: (name: string) => bigint | undefined,
): KernelLocation | undefined {
  const bannerSymbol = symbol('linux_banner');
  const text = symbol('_text');
  // init_top_pgt was init_level4_pgt until 65ade2f872b4 (4.13).
  const rootSymbol = symbol('init_top_pgt') ?? symbol('init_level4_pgt');
  if (bannerSymbol === undefined || text === undefined || rootSymbol === undefined) return undefined;
  const root = banner.physical + Number(rootSymbol - bannerSymbol);
  if (root < 0 || root % 4096 !== 0) return undefined;
  const mapping = findImageMapping(memory, root, banner.physical);
  if (!mapping) return undefined;
  return {
    banner,
    root,
    levels: mapping.levels,
    shift: mapping.virtual - bannerSymbol + text - linkText,
    space: new AddressSpace(memory, root, mapping.levels),
  };
}
