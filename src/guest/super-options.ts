import type { Kernel } from '../kernel/kernel.js';
import { listEntries } from '../kernel/lists.js';
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
 * the file systems in the table. A file system that is not in it shows the general ones only: those of ext4 and
 * other modules are in structs that the kernel's own type information does not describe.
 */
export function superOptions(kernel: Kernel, superBlock: StructView<'super_block'>, type: string): string {
  const flags = superBlock.uint('s_flags');
  return [
    flags & SB_RDONLY ? 'ro' : 'rw',
    ...superFlags.filter(([flag]) => flags & flag).map(([, option]) => option),
    ...(ownOptions[type]?.(kernel, superBlock) ?? []),
  ].join(',');
}

type SuperBlock = StructView<'super_block'>;
type Options = (kernel: Kernel, superBlock: SuperBlock) => string[];

/** What the file systems' own show_options() print, by type. */
const ownOptions: Readonly<Record<string, Options>> = {
  tmpfs: sharedMemory,
  devtmpfs: sharedMemory,
  // What an initramfs is unpacked into: a tmpfs or, without one, a ramfs that has no options.
  rootfs: (kernel, superBlock) =>
    superBlock.uint('s_magic') === TMPFS_MAGIC ? sharedMemory(kernel, superBlock) : [],
  ramfs: (kernel, superBlock) => {
    const mode = kernel.view('ramfs_fs_info', superBlock.pointer('s_fs_info')).uint('mode');
    return mode === RAMFS_DEFAULT_MODE ? [] : [`mode=${octal(mode)}`];
  },
  devpts: (kernel, superBlock) => {
    const options = kernel.view('pts_fs_info', superBlock.pointer('s_fs_info'));
    return [
      ...(options.uint('setuid') ? [`uid=${options.uint('uid')}`] : []),
      ...(options.uint('setgid') ? [`gid=${options.uint('gid')}`] : []),
      `mode=${octal(options.uint('mode'))}`,
      `ptmxmode=${octal(options.uint('ptmxmode'))}`,
    ];
  },
  bpf: (kernel, superBlock) => {
    const inode = kernel.view('dentry', superBlock.pointer('s_root')).pointer('d_inode');
    const mode = kernel.view('inode', inode).uint('i_mode') & 0o6777;
    return mode === 0o777 ? [] : [`mode=${mode.toString(8)}`];
  },
  hugetlbfs: (kernel, superBlock) => {
    const state = kernel.view('hugetlbfs_sb_info', superBlock.pointer('s_fs_info')).pointer('hstate');
    const kib = (kernel.pageSize / 1024) * 2 ** kernel.view('hstate', state).uint('order');
    return [kib >= 1024 ? `pagesize=${kib / 1024}M` : `pagesize=${kib}K`];
  },
  cgroup2: (kernel) => {
    const root = kernel.find('cgrp_dfl_root');
    const flags = root === undefined ? 0 : kernel.view('cgroup_root', root).uint('flags');
    return cgroupOptions
      .filter(([name]) => flags & (kernel.enumerator(name) ?? 0))
      .map(([, option]) => option);
  },
};

/** `include/uapi/linux/magic.h` */
const TMPFS_MAGIC = 0x01021994;
const RAMFS_DEFAULT_MODE = 0o755;

/** In the order of cgroup_show_options(), `kernel/cgroup/cgroup.c`. */
const cgroupOptions: readonly (readonly [enumerator: string, option: string])[] = [
  ['CGRP_ROOT_NS_DELEGATE', 'nsdelegate'],
  ['CGRP_ROOT_FAVOR_DYNMODS', 'favordynmods'],
  ['CGRP_ROOT_MEMORY_LOCAL_EVENTS', 'memory_localevents'],
  ['CGRP_ROOT_MEMORY_RECURSIVE_PROT', 'memory_recursiveprot'],
  ['CGRP_ROOT_MEMORY_HUGETLB_ACCOUNTING', 'memory_hugetlb_accounting'],
  ['CGRP_ROOT_PIDS_LOCAL_EVENTS', 'pids_localevents'],
];

/** The permission bits of a tmpfs's root when no mode was given. */
const tmpfsDefaultMode = 0o1777;

/** shmem_format_huge(): what SHMEM_HUGE_* is called. */
const hugePolicies: Readonly<Record<number, string>> = { 1: 'always', 2: 'within_size', 3: 'advise' };

/** shmem_show_options(), `mm/shmem.c`: devtmpfs is one, too. */
function sharedMemory(kernel: Kernel, superBlock: SuperBlock): string[] {
  const info = kernel.view('shmem_sb_info', superBlock.pointer('s_fs_info'));
  const totalPages = Number(kernel.pointer(kernel.symbol('_totalram_pages')));
  const half = Math.floor(totalPages / 2);
  const [blocks, inodes] = [info.uint('max_blocks'), info.uint('max_inodes')];
  const mode = info.uint('mode') & 0o7777;
  return [
    ...(blocks === half ? [] : [`size=${(blocks * kernel.pageSize) / 1024}k`]),
    ...(inodes === half ? [] : [`nr_inodes=${inodes}`]),
    ...(mode === tmpfsDefaultMode ? [] : [`mode=${octal(mode)}`]),
    ...(info.uint('uid') === 0 ? [] : [`uid=${info.uint('uid')}`]),
    ...(info.uint('gid') === 0 ? [] : [`gid=${info.uint('gid')}`]),
    ...inodeNumbers(kernel, info),
    ...(info.has('huge') && info.uint('huge') ? [`huge=${hugePolicies[info.uint('huge')] ?? ''}`] : []),
  ];
}

/**
 * `inode32` is only shown by kernels whose default is the other one (CONFIG_TMPFS_INODE64): as of devtmpfs, which the
 * kernel mounts without an option for it.
 */
function inodeNumbers(kernel: Kernel, info: StructView<'shmem_sb_info'>): string[] {
  if (!info.has('full_inums')) return [];
  if (info.uint('full_inums')) return ['inode64'];
  for (const link of listEntries(kernel, kernel.symbol('super_blocks'), 'super blocks')) {
    const other = kernel.container('super_block', 's_list', link);
    const type = kernel.view('file_system_type', other.pointer('s_type'));
    if (kernel.text(type.pointer('name')) !== 'devtmpfs' || other.uint('s_magic') !== TMPFS_MAGIC) continue;
    return kernel.view('shmem_sb_info', other.pointer('s_fs_info')).uint('full_inums') ? ['inode32'] : [];
  }
  return [];
}

/** `%03o` */
function octal(mode: number): string {
  return mode.toString(8).padStart(3, '0');
}
