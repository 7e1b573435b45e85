import type { Kernel } from '../kernel/kernel.js';
import { listEntries } from '../kernel/lists.js';
import { X86Paging } from '../kernel/paging-x86-64.js';
import { perCpuCounterSum } from '../kernel/percpu.js';
import { readVmcoreInfo, vmcoreNumber } from '../kernel/vmcoreinfo.js';
import type { MemInfo } from './guest.js';
import { memoryZones } from './zones.js';

/** Of the smallest pages: the direct map's rows count those of x86. */
const pageSize = 4096;

/** The counters that the rows are made of; all in pages, undefined when this kernel does not have one. */
class Counters {
  constructor(readonly kernel: Kernel) {}

  get kibPerPage(): number {
    return this.kernel.pageSize / 1024;
  }

  /** A global counter of the zones or of the nodes, never negative: global_zone_page_state() and its twin. */
  zone(enumerator: string): number | undefined {
    return this.#state('vm_zone_stat', enumerator);
  }

  node(enumerator: string): number | undefined {
    return this.#state('vm_node_stat', enumerator);
  }

  lru(...enumerators: string[]): number | undefined {
    const base = this.kernel.enumerator('NR_LRU_BASE');
    if (base === undefined) return undefined;
    return sum(...enumerators.map((name) => this.node(name)));
  }

  /** A variable of type long. */
  long(symbol: string): number | undefined {
    const address = this.kernel.find(symbol);
    return address === undefined ? undefined : Number(this.kernel.read(address, 8).readBigInt64LE(0));
  }

  int(symbol: string): number | undefined {
    const address = this.kernel.find(symbol);
    return address === undefined ? undefined : this.kernel.i32(address);
  }

  #state(array: string, enumerator: string): number | undefined {
    const index = this.kernel.enumerator(enumerator);
    const start = this.kernel.find(array);
    if (index === undefined || start === undefined) return undefined;
    return Math.max(0, Number(this.kernel.read(start + BigInt(index * 8), 8).readBigInt64LE(0)));
  }
}

type Row = readonly [
  name: string,
  unit: 'pages' | 'KiB' | 'count',
  value: (counters: Counters) => number | undefined,
];

/** `/proc/meminfo`, row for row: fs/proc/meminfo.c, and hugetlb and x86's part behind it. */
const rows: readonly Row[] = [
  ['MemTotal', 'pages', (at) => at.long('_totalram_pages')],
  ['MemFree', 'pages', (at) => at.zone('NR_FREE_PAGES')],
  ['MemAvailable', 'pages', available],
  ['Buffers', 'pages', buffers],
  ['Cached', 'pages', cached],
  ['SwapCached', 'pages', swapCache],
  ['Active', 'pages', (at) => at.lru('NR_ACTIVE_ANON', 'NR_ACTIVE_FILE')],
  ['Inactive', 'pages', (at) => at.lru('NR_INACTIVE_ANON', 'NR_INACTIVE_FILE')],
  ['Active(anon)', 'pages', (at) => at.lru('NR_ACTIVE_ANON')],
  ['Inactive(anon)', 'pages', (at) => at.lru('NR_INACTIVE_ANON')],
  ['Active(file)', 'pages', (at) => at.lru('NR_ACTIVE_FILE')],
  ['Inactive(file)', 'pages', (at) => at.lru('NR_INACTIVE_FILE')],
  ['Unevictable', 'pages', (at) => at.lru('NR_UNEVICTABLE')],
  ['Mlocked', 'pages', (at) => at.zone('NR_MLOCK')],
  ['SwapTotal', 'pages', (at) => at.long('total_swap_pages')],
  ['SwapFree', 'pages', (at) => at.long('nr_swap_pages')],
  ['Zswap', 'KiB', zswapPool],
  ['Zswapped', 'pages', (at) => (hasZswapRows(at) ? at.int('zswap_stored_pages') : undefined)],
  ['Dirty', 'pages', (at) => at.node('NR_FILE_DIRTY')],
  ['Writeback', 'pages', (at) => at.node('NR_WRITEBACK')],
  ['AnonPages', 'pages', (at) => at.node('NR_ANON_MAPPED')],
  ['Mapped', 'pages', (at) => at.node('NR_FILE_MAPPED')],
  ['Shmem', 'pages', (at) => at.node('NR_SHMEM')],
  [
    'KReclaimable',
    'pages',
    (at) => sum(at.node('NR_SLAB_RECLAIMABLE_B'), at.node('NR_KERNEL_MISC_RECLAIMABLE')),
  ],
  ['Slab', 'pages', (at) => sum(at.node('NR_SLAB_RECLAIMABLE_B'), at.node('NR_SLAB_UNRECLAIMABLE_B'))],
  ['SReclaimable', 'pages', (at) => at.node('NR_SLAB_RECLAIMABLE_B')],
  ['SUnreclaim', 'pages', (at) => at.node('NR_SLAB_UNRECLAIMABLE_B')],
  ['KernelStack', 'KiB', (at) => at.node('NR_KERNEL_STACK_KB')],
  ['PageTables', 'pages', (at) => at.node('NR_PAGETABLE')],
  ['SecPageTables', 'pages', (at) => at.node('NR_SECONDARY_PAGETABLE')],
  ['NFS_Unstable', 'pages', () => 0],
  ['Bounce', 'pages', (at) => at.zone('NR_BOUNCE') ?? 0],
  ['WritebackTmp', 'pages', (at) => at.node('NR_WRITEBACK_TEMP') ?? 0],
  ['CommitLimit', 'pages', commitLimit],
  ['Committed_AS', 'pages', committed],
  ['VmallocTotal', 'KiB', vmallocTotal],
  ['VmallocUsed', 'pages', (at) => at.long('nr_vmalloc_pages') ?? at.node('NR_VMALLOC')],
  ['VmallocChunk', 'pages', () => 0],
  ['Percpu', 'pages', perCpuPages],
  ['HardwareCorrupted', 'pages', (at) => at.long('num_poisoned_pages')],
  ['AnonHugePages', 'pages', (at) => at.node('NR_ANON_THPS')],
  ['ShmemHugePages', 'pages', (at) => at.node('NR_SHMEM_THPS')],
  ['ShmemPmdMapped', 'pages', (at) => at.node('NR_SHMEM_PMDMAPPED')],
  ['FileHugePages', 'pages', (at) => at.node('NR_FILE_THPS')],
  ['FilePmdMapped', 'pages', (at) => at.node('NR_FILE_PMDMAPPED')],
  ['CmaTotal', 'pages', (at) => ifCma(at, at.long('totalcma_pages'))],
  ['CmaFree', 'pages', (at) => ifCma(at, at.zone('NR_FREE_CMA_PAGES'))],
  ['Unaccepted', 'pages', (at) => at.zone('NR_UNACCEPTED')],
  ['Balloon', 'pages', (at) => at.node('NR_BALLOON_PAGES')],
  ['GPUActive', 'pages', (at) => at.node('NR_GPU_ACTIVE')],
  ['GPUReclaim', 'pages', (at) => at.node('NR_GPU_RECLAIM')],
  ['HugePages_Total', 'count', (at) => hugePages(at)?.uint('nr_huge_pages')],
  ['HugePages_Free', 'count', (at) => hugePages(at)?.uint('free_huge_pages')],
  ['HugePages_Rsvd', 'count', (at) => hugePages(at)?.uint('resv_huge_pages')],
  ['HugePages_Surp', 'count', (at) => hugePages(at)?.uint('surplus_huge_pages')],
  ['Hugepagesize', 'pages', (at) => 2 ** (hugePages(at)?.uint('order') ?? NaN)],
  ['Hugetlb', 'pages', hugeTotalPages],
  ['DirectMap4k', 'KiB', (at) => directMap(at, 1)],
  ['DirectMap2M', 'KiB', (at) => directMap(at, 2)],
  ['DirectMap1G', 'KiB', (at) => directMap(at, 3)],
];

export function readMemInfo(kernel: Kernel): MemInfo {
  const counters = new Counters(kernel);
  const info: [string, number][] = [];
  for (const [name, unit, value] of rows) {
    const amount = value(counters);
    if (amount === undefined || !Number.isFinite(amount)) continue;
    info.push([name, unit === 'pages' ? amount * counters.kibPerPage : amount]);
  }
  return info;
}

function sum(...values: (number | undefined)[]): number | undefined {
  let total = 0;
  for (const value of values) {
    if (value === undefined) return undefined;
    total += value;
  }
  return total;
}

/** si_mem_available(), `mm/show_mem.c`. */
function available(at: Counters): number | undefined {
  const free = at.zone('NR_FREE_PAGES');
  const reserve = at.long('totalreserve_pages');
  const cache = at.lru('NR_ACTIVE_FILE', 'NR_INACTIVE_FILE');
  const reclaimable = sum(at.node('NR_SLAB_RECLAIMABLE_B'), at.node('NR_KERNEL_MISC_RECLAIMABLE'));
  const low = lowWatermark(at);
  if (free === undefined || reserve === undefined || cache === undefined || reclaimable === undefined)
    return undefined;
  if (low === undefined) return undefined;
  const usable = (pages: number) => pages - Math.min(Math.floor(pages / 2), low);
  return Math.max(0, free - reserve + usable(cache) + usable(reclaimable));
}

/** A counter since 5.12; before it the swap devices' own mappings counted, which nobody has without swap. */
function swapCache(at: Counters): number | undefined {
  return at.node('NR_SWAPCACHE') ?? (at.long('total_swap_pages') === 0 ? 0 : undefined);
}

/** The rows came with the events of zswap, years after its variables. */
function hasZswapRows({ kernel }: Counters): boolean {
  return kernel.enumerator('ZSWPIN') !== undefined;
}

/** Bytes of compressed memory; since 6.10 the pools count them, which have none while nothing is stored. */
function zswapPool(at: Counters): number | undefined {
  if (!hasZswapRows(at)) return undefined;
  const total = at.long('zswap_pool_total_size');
  if (total !== undefined) return Math.floor(total / 1024);
  return at.int('zswap_stored_pages') === 0 ? 0 : undefined;
}

/** The sum of all zones' low watermarks. */
function lowWatermark({ kernel }: Counters): number | undefined {
  const low = kernel.enumerator('WMARK_LOW');
  if (low === undefined || kernel.find('node_data') === undefined) return undefined;
  let total = 0;
  for (const zone of memoryZones(kernel))
    total += Number(zone.raw('watermark').readBigUInt64LE(low * 8)) + zone.uint('watermark_boost');
  return total;
}

/** nr_blockdev_pages(): pages in the block devices' own mappings. */
function buffers({ kernel }: Counters): number | undefined {
  const variable = kernel.find('blockdev_superblock');
  if (variable === undefined) return undefined;
  const superBlock = kernel.view('super_block', kernel.pointer(variable));
  let pages = 0;
  for (const link of listEntries(kernel, superBlock.at('s_inodes'), 'block device inodes')) {
    const inode = kernel.container('inode', 'i_sb_list', link);
    pages += kernel.view('address_space', inode.pointer('i_mapping')).uint('nrpages');
  }
  return pages;
}

function cached(at: Counters): number | undefined {
  const pages = at.node('NR_FILE_PAGES');
  const device = buffers(at);
  const cachedSwap = swapCache(at);
  if (pages === undefined || device === undefined || cachedSwap === undefined) return undefined;
  return Math.max(0, pages - cachedSwap - device);
}

/** The counters are there without CONFIG_CMA, too, but not the rows. */
function ifCma({ kernel }: Counters, pages: number | undefined): number | undefined {
  return kernel.find('cma_area_count') === undefined ? undefined : pages;
}

/** vm_commit_limit(), `mm/util.c`. */
function commitLimit(at: Counters): number | undefined {
  const kibibytes = at.long('sysctl_overcommit_kbytes');
  const ratio = at.int('sysctl_overcommit_ratio');
  const total = at.long('_totalram_pages');
  if (ratio === undefined || total === undefined) return undefined;
  const allowed = kibibytes
    ? Math.floor(kibibytes / at.kibPerPage)
    : Math.floor(((total - (hugeTotalPages(at) ?? 0)) * ratio) / 100);
  return allowed + (at.long('total_swap_pages') ?? 0);
}

function committed({ kernel }: Counters): number | undefined {
  const counter = kernel.find('vm_committed_as');
  return counter === undefined ? undefined : Math.max(0, Number(perCpuCounterSum(kernel, counter)));
}

function perCpuPages(at: Counters): number | undefined {
  const populated = at.long('pcpu_nr_populated');
  const units = at.int('pcpu_nr_units');
  return populated === undefined || units === undefined ? undefined : populated * units;
}

/** The default huge page size, which is the only one that has rows of its own. */
function hugePages({ kernel }: Counters) {
  const states = kernel.find('hstates');
  const index = kernel.find('default_hstate_idx');
  if (states === undefined || index === undefined) return undefined;
  return kernel.view('hstate', states + BigInt(kernel.u32(index) * kernel.layout('hstate').size));
}

/** Pages of the default size. */
function hugeTotalPages(at: Counters): number | undefined {
  const state = hugePages(at);
  return state ? state.uint('nr_huge_pages') * 2 ** state.uint('order') : undefined;
}

/**
 * VMALLOC_END - VMALLOC_START: on x86-64 it depends on the levels of page tables only
 * (`Documentation/arch/x86/x86_64/mm.rst`); others write it down.
 */
function vmallocTotal({ kernel }: Counters): number | undefined {
  const { paging } = kernel.location;
  if (paging instanceof X86Paging) return paging.levels === 5 ? 13_743_895_347_199 : 34_359_738_367;
  const info = readVmcoreInfo(kernel);
  const start = info && vmcoreNumber(info, 'NUMBER(VMALLOC_START)');
  const end = info && vmcoreNumber(info, 'NUMBER(VMALLOC_END)');
  return start === undefined || end === undefined ? undefined : Number((end - start) / 1024n);
}

/** x86 counts the direct map's pages by level: 4 KiB, 2 MiB, 1 GiB. */
function directMap(at: Counters, level: 1 | 2 | 3): number | undefined {
  const { kernel } = at;
  const counts = kernel.find('direct_pages_count');
  if (counts === undefined) return undefined;
  // Processors without pages of 1 GiB have no row for them.
  if (level === 3 && at.int('direct_gbpages') === 0) return undefined;
  const pages = Number(kernel.pointer(counts + BigInt(level * 8)));
  return (pages * pageSize * 512 ** (level - 1)) / 1024;
}
