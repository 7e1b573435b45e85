import type { PhysicalMemory } from '../memory/memory.js';
import { scan } from '../memory/scan.js';

/** A kernel's `linux_banner` that stands in physical memory. */
export interface BannerHit {
  readonly physical: number;
  /** With its newline. */
  readonly banner: string;
}

/** How much read-only data is looked through: distributions' kernels have 8 to 20 MB, kallsyms included. */
export const readOnlyWindow = 32 * 1024 * 1024;

const bannerStart = Buffer.from('Linux version ', 'latin1');
/** linux_proc_banner, from init/version.c: among the first objects of the kernel's read-only data. */
const procBannerStart = Buffer.from('%s version %s (', 'latin1');
const procBannerWindow = 4096;
const maxBanner = 1024;
const bannerShape = /^Linux version (\S+) \(.{1,512}\) #\d+ [^\n]{1,512}\n$/s;
const maxBanners = 64;
/** Limits for hostile memory: places that look like a kernel's read-only data, and banner starts that are none. */
const maxPlaces = 32;
const maxStarts = 65_536;

/** The release in a banner, or undefined when it is none. */
export function releaseOf(banner: string): string | undefined {
  return bannerShape.exec(banner)?.[1];
}

/**
 * Banners of kernels in the place of a running one: `linux_proc_banner` is in the first 4 KiB of its read-only
 * data, which is aligned. Reads 4 KiB for each `alignment` bytes of memory.
 */
export function* alignedBanners(memory: PhysicalMemory, alignment: number): Generator<BannerHit> {
  const window = Buffer.allocUnsafe(procBannerWindow);
  let places = 0;
  for (const range of memory.ranges) {
    const first = Math.ceil(range.start / alignment) * alignment;
    for (let base = first; base + procBannerWindow <= range.end; base += alignment) {
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
