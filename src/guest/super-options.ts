import type { Kernel } from '../kernel/kernel.js';
import type { StructView } from '../kernel/struct-view.js';

/** SB_* of `include/linux/fs.h` that are options, in the order of show_sb_opts(). */
const superFlags: readonly (readonly [flag: number, option: string])[] = [
  [0x10, 'sync'],
  [0x80, 'dirsync'],
  [0x40, 'mand'],
  [1 << 25, 'lazytime'],
];
const SB_RDONLY = 1;

/**
 * The last field of a `mountinfo` line: `ro` or `rw`, the flags that every file system has, and the options of
 * the file systems in the table. A file system that is not in it shows the general ones only.
 */
export function superOptions(kernel: Kernel, superBlock: StructView<'super_block'>, type: string): string {
  const flags = superBlock.uint('s_flags');
  return [
    flags & SB_RDONLY ? 'ro' : 'rw',
    ...superFlags.filter(([flag]) => flags & flag).map(([, option]) => option),
    ...(ownOptions[type]?.(kernel, superBlock) ?? []),
  ].join(',');
}

const ownOptions: Readonly<
  Record<string, (kernel: Kernel, superBlock: StructView<'super_block'>) => string[]>
> = {};
