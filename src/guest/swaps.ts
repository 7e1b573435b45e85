import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import { PathNames } from './path-names.js';
import { rootOf } from './paths.js';
import { findTask } from './tasks.js';

/** One line of `/proc/swaps`. */
export interface SwapArea {
  readonly path: string;
  readonly type: 'partition' | 'file';
  /** KiB. */
  readonly size: bigint;
  readonly used: bigint;
  readonly priority: number;
}

/** SWP_USED, `include/linux/swap.h`. */
const SWP_USED = 1;
/** MAX_SWAPFILES is below it. */
const maxAreas = 64;
/** SWAP_USAGE_OFFLIST_BIT of inuse_pages and what is above it are no pages (6.13). */
const usageMask = (1n << 30n) - 1n;
const S_IFMT = 0o170000;
const S_IFBLK = 0o060000;
const kibPerPage = 4n;

export function readSwaps(kernel: Kernel): SwapArea[] {
  const count = kernel.u32(kernel.symbol('nr_swapfiles'));
  if (count > maxAreas) throw inconsistent(`the kernel claims ${count} swap areas`);
  const init = findTask(kernel, 1);
  const names = init && new PathNames(kernel, rootOf(kernel, init));
  const areas: SwapArea[] = [];
  for (let index = 0; index < count; index++) {
    const area = kernel.view(
      'swap_info_struct',
      kernel.pointer(kernel.symbol('swap_info') + BigInt(index * 8)),
    );
    const file = area.pointer('swap_file');
    if ((area.uint('flags') & SWP_USED) === 0 || file === 0n || !names) continue;
    const inode = kernel.view('inode', kernel.view('file', file).pointer('f_inode'));
    areas.push({
      path: names.ofFile(file) ?? '',
      type: (inode.uint('i_mode') & S_IFMT) === S_IFBLK ? 'partition' : 'file',
      size: area.u64('pages') * kibPerPage,
      used: (area.u64('inuse_pages') & usageMask) * kibPerPage,
      priority: area.int('prio'),
    });
  }
  return areas;
}
