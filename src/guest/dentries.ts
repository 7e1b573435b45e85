import type { Kernel } from '../kernel/kernel.js';
import { hashListEntries, hex, inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

/** NAME_MAX, and PATH_MAX / 2 for the number of names in a path. */
const maxName = 255;
export const maxPathNames = 2048;

export type Dentry = StructView<'dentry'>;

/** The last name of a dentry's path, `/` for a file system's root. */
export function dentryName(kernel: Kernel, dentry: Dentry): string {
  return dentryNameBytes(kernel, dentry).toString('utf8');
}

/** The same as it is: names need not be text. */
export function dentryNameBytes(kernel: Kernel, dentry: Dentry): Buffer {
  const length = dentry.uint('d_name_len');
  if (length > maxName)
    throw inconsistent(`the dentry at ${hex(dentry.address)} has a name of ${length} bytes`);
  return kernel.read(dentry.pointer('d_name'), length);
}

/** Path within the file system, as dentry_path() writes it: `//deleted` behind one that is unlinked. */
export function dentryPath(kernel: Kernel, address: bigint): string {
  const names: string[] = [];
  const first = kernel.view('dentry', address);
  let dentry = first;
  for (
    let parent = dentry.pointer('d_parent');
    parent !== dentry.address;
    parent = dentry.pointer('d_parent')
  ) {
    if (names.length >= maxPathNames)
      throw inconsistent(`the path of the dentry at ${hex(address)} does not end`);
    names.push(dentryName(kernel, dentry));
    dentry = kernel.view('dentry', parent);
  }
  const deleted = names.length > 0 && first.pointer('d_hash_pprev') === 0n;
  return `/${names.reverse().join('/')}${deleted ? '//deleted' : ''}`;
}

/** Path within the file system of one of an inode's names, or undefined when none is cached. */
export function inodePath(kernel: Kernel, inode: StructView<'inode'>): string | undefined {
  for (const link of hashListEntries(kernel, inode.at('i_dentry'), 'names of a file')) {
    const dentry = kernel.container('dentry', 'd_alias', link);
    if (dentry.pointer('d_inode') !== inode.address)
      throw inconsistent(`the dentry at ${hex(dentry.address)} is another inode's name`);
    const isRoot = dentry.pointer('d_parent') === dentry.address;
    if (isRoot || dentry.pointer('d_hash_pprev') !== 0n) return dentryPath(kernel, dentry.address);
  }
  return undefined;
}
