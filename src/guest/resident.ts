import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

/** Pages by kind. */
export interface ResidentPages {
  readonly file: bigint;
  readonly anon: bigint;
  readonly shmem: bigint;
  readonly swap: bigint;
  /** get_mm_rss(): without swap. */
  readonly total: bigint;
}

/** A plain array of atomics has one word for each kind; struct percpu_counter is larger. */
const maxPlainBytes = 64;

/**
 * The counters of a process's pages. Per-CPU counters (6.2 and later) are taken as `/proc` prints them, without
 * what the CPUs have not yet added up.
 */
export function residentPages(kernel: Kernel, mm: StructView<'mm_struct'>): ResidentPages {
  const counters = mm.raw('rss_stat');
  const perCpu = counters.length > maxPlainBytes;
  const stride = perCpu ? kernel.layout('percpu_counter').size : 8;
  const offset = perCpu ? kernel.offset('percpu_counter', 'count') : 0;
  const pages = (name: string): bigint => {
    const at = (kernel.enumerator(name) ?? Infinity) * stride + offset;
    if (at + 8 > counters.length) throw inconsistent(`the mm_struct at ${hex(mm.address)} has no ${name}`);
    const count = counters.readBigInt64LE(at);
    return count > 0n ? count : 0n;
  };
  const [file, anon, shmem] = [pages('MM_FILEPAGES'), pages('MM_ANONPAGES'), pages('MM_SHMEMPAGES')];
  return { file, anon, shmem, swap: pages('MM_SWAPENTS'), total: file + anon + shmem };
}
