import type { Kernel } from '../kernel/kernel.js';
import { hashListEntries, inconsistent, maxEntries } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import type { FileSystemType } from './guest.js';

const FS_REQUIRES_DEV = 1;

/** Registered file systems in the order of `/proc/filesystems`. */
export function readFileSystemTypes(kernel: Kernel): FileSystemType[] {
  const types: FileSystemType[] = [];
  for (const type of registered(kernel)) {
    if (types.length >= maxEntries) throw inconsistent('the list of file systems does not end');
    types.push({
      name: kernel.text(type.pointer('name')),
      nodev: (type.uint('fs_flags') & FS_REQUIRES_DEV) === 0,
    });
  }
  return types;
}

function* registered(kernel: Kernel): Generator<StructView<'file_system_type'>> {
  const head = kernel.symbol('file_systems');
  if (kernel.has('file_system_type', 'list')) {
    for (const link of hashListEntries(kernel, head, 'file systems'))
      yield kernel.container('file_system_type', 'list', link);
    return;
  }
  for (let at = kernel.pointer(head); at !== 0n;) {
    const type = kernel.view('file_system_type', at);
    yield type;
    at = type.pointer('next');
  }
}
