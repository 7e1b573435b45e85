import type { Kernel } from '../kernel/kernel.js';
import { inconsistent, listEntries, maxEntries } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import { fileIdentity } from './files.js';
import type { Mount, UnwrittenFile } from './guest.js';

type Inode = StructView<'inode'>;

/** FS_REQUIRES_DEV, `include/linux/fs.h`. */
const FS_REQUIRES_DEV = 1;
/** S_IFMT, S_IFDIR and S_IFREG, inode(7). */
const typeBits = 0o170000;
const types = [0o040000, 0o100000];
/**
 * The bits of `xa_flags` that an xarray of pages does not use for itself (`include/linux/xarray.h`): one for each
 * mark that an entry has. Marks of pages are dirty, under write-back, and about to be (`include/linux/fs.h`).
 */
const pageMarks = 0xffffff00;

/**
 * The files that wait for write-back: those on the dirty lists of every write-back domain (one for each
 * control group, `include/linux/backing-dev-defs.h`) of the devices under file systems, and those with pages on
 * the way to the disk. Inodes that wait with a lazy access time only (`b_dirty_time`) do not count.
 *
 * @param mounts reachable ones: a file's name is below one of them
 */
export function readUnwrittenFiles(kernel: Kernel, mounts: readonly Mount[]): UnwrittenFile[] {
  const superBlocks = diskSuperBlocks(kernel);
  const inodes = new Map<bigint, Inode>();
  for (const inode of waitingInodes(kernel, superBlocks)) {
    if (inodes.size >= maxEntries) throw inconsistent('the lists of inodes to be written do not end');
    // A block device's own inode is on the list, too: file systems' metadata, after it was in the journal.
    if (superBlocks.has(inode.pointer('i_sb'))) inodes.set(inode.address, inode);
  }
  return [...inodes.values()]
    .filter((inode) => inode.uint('i_nlink') > 0 && types.includes(inode.uint('i_mode') & typeBits))
    .map((inode) => ({ ...fileIdentity(kernel, inode, mounts), kind: kindOf(kernel, inode) }));
}

/** The mounted file systems that need a device, by address. */
function diskSuperBlocks(kernel: Kernel): Map<bigint, StructView<'super_block'>> {
  const found = new Map<bigint, StructView<'super_block'>>();
  for (const link of listEntries(kernel, kernel.symbol('super_blocks'), 'super blocks')) {
    const superBlock = kernel.container('super_block', 's_list', link);
    const flags = kernel.view('file_system_type', superBlock.pointer('s_type')).uint('fs_flags');
    if (flags & FS_REQUIRES_DEV && superBlock.pointer('s_bdi') !== 0n)
      found.set(superBlock.address, superBlock);
  }
  return found;
}

function* waitingInodes(
  kernel: Kernel,
  superBlocks: ReadonlyMap<bigint, StructView<'super_block'>>,
): Generator<Inode> {
  for (const address of new Set([...superBlocks.values()].map((each) => each.pointer('s_bdi')))) {
    const device = kernel.view('backing_dev_info', address);
    for (const link of listEntries(kernel, device.at('wb_list'), 'write-back domains')) {
      const domain = kernel.container('bdi_writeback', 'bdi_node', link);
      for (const list of ['b_dirty', 'b_io', 'b_more_io'] as const)
        for (const entry of listEntries(kernel, domain.at(list), 'inodes to be written'))
          yield kernel.container('inode', 'i_io_list', entry);
    }
  }
  for (const superBlock of superBlocks.values())
    for (const entry of listEntries(kernel, superBlock.at('s_inodes_wb'), 'inodes being written'))
      yield kernel.container('inode', 'i_wb_list', entry);
}

function kindOf(kernel: Kernel, inode: Inode): UnwrittenFile['kind'] {
  const pages = kernel.view('address_space', inode.pointer('i_mapping'));
  return pages.uint('page_flags') & pageMarks ? 'data' : 'metadata';
}
