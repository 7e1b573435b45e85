import type { Kernel } from '../kernel/kernel.js';
import { inconsistent, maxEntries } from '../kernel/lists.js';
import type { FileSystemType } from './guest.js';

const FS_REQUIRES_DEV = 1;

/** Registered file systems in the order of `/proc/filesystems`. */
export function readFileSystemTypes(kernel: Kernel): FileSystemType[] {
  const types: FileSystemType[] = [];
  for (let at = kernel.pointer(kernel.symbol('file_systems')); at !== 0n;) {
    if (types.length >= maxEntries) throw inconsistent('the list of file systems does not end');
    const type = kernel.view('file_system_type', at);
    types.push({
      name: kernel.text(type.pointer('name')),
      nodev: (type.uint('fs_flags') & FS_REQUIRES_DEV) === 0,
    });
    at = type.pointer('next');
  }
  return types;
}
