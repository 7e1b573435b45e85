import type { Kernel } from '../kernel/kernel.js';
import type { StructView } from '../kernel/struct-view.js';
import { deviceNumber } from './files.js';
import type { DeviceNumber } from './guest.js';

/** What must be known of a file system to tell what its cached files mean. */
export interface SuperBlock {
  readonly address: bigint;
  readonly type: string;
  readonly device: DeviceNumber;
  /** Whether memory is the only place that its files have. */
  readonly memoryOnly: boolean;
  /** Whether it is a tmpfs inside, with the extended attributes of one. */
  readonly shared: boolean;
  /** Whether its files' bytes are in the page cache, if they are anywhere in memory. */
  readonly pageCache: boolean;
}

/** FS_REQUIRES_DEV, `include/linux/fs.h`. */
const FS_REQUIRES_DEV = 1;
const sharedMemory = ['tmpfs', 'devtmpfs'];
const memoryOnlyToo = ['ramfs', 'rootfs'];

/** Reads super blocks, each once. */
export function superBlockReader(kernel: Kernel): (address: bigint) => SuperBlock {
  const known = new Map<bigint, SuperBlock>();
  return (address) => {
    let found = known.get(address);
    if (!found) known.set(address, (found = describe(kernel, kernel.view('super_block', address))));
    return found;
  };
}

function describe(kernel: Kernel, superBlock: StructView<'super_block'>): SuperBlock {
  const kind = kernel.view('file_system_type', superBlock.pointer('s_type'));
  const type = kernel.text(kind.pointer('name'));
  const shared = sharedMemory.includes(type);
  const memoryOnly = shared || memoryOnlyToo.includes(type);
  return {
    address: superBlock.address,
    type,
    device: deviceNumber(superBlock.uint('s_dev')),
    memoryOnly,
    shared,
    pageCache: memoryOnly || (kind.uint('fs_flags') & FS_REQUIRES_DEV) !== 0,
  };
}
