import type { Kernel } from '../kernel/kernel.js';
import { hashListEntries, hex, inconsistent, listEntries } from '../kernel/lists.js';
import { dentryNameBytes, type Dentry } from './dentries.js';

/** A name in a directory that the dentry cache knows. */
export interface CachedName {
  readonly name: Buffer;
  /** Address of its `struct dentry`. */
  readonly dentry: bigint;
  /** Address of its inode, 0 for a name that was looked up and does not exist. */
  readonly inode: bigint;
}

/**
 * What the dentry cache knows of a directory, in the order of the names' bytes. All names that are hashed: one that
 * is not was removed, or is the place that a reader of the directory keeps (d_alloc_cursor()).
 */
export function cachedNames(kernel: Kernel, directory: Dentry): CachedName[] {
  const names: CachedName[] = [];
  for (const child of children(kernel, directory)) {
    if (child.pointer('d_parent') !== directory.address || child.address === directory.address)
      throw inconsistent(`the dentry at ${hex(child.address)} is in a directory that is not its parent`);
    if (child.pointer('d_hash_pprev') === 0n) continue;
    const name = Buffer.from(dentryNameBytes(kernel, child));
    if (!isName(name))
      throw inconsistent(`the dentry at ${hex(child.address)} has a name that no file can have`);
    names.push({ name, dentry: child.address, inode: child.pointer('d_inode') });
  }
  names.sort((a, b) => Buffer.compare(a.name, b.name));
  for (const [index, { name, dentry }] of names.entries())
    if (names[index + 1]?.name.equals(name))
      throw inconsistent(`the dentry at ${hex(dentry)} has the name of another one in its directory`);
  return names;
}

function* children(kernel: Kernel, directory: Dentry): Generator<Dentry> {
  if (kernel.has('dentry', 'd_sib'))
    for (const link of hashListEntries(kernel, directory.at('d_children'), 'names in a directory'))
      yield kernel.container('dentry', 'd_sib', link);
  else
    for (const link of listEntries(kernel, directory.at('d_subdirs'), 'names in a directory'))
      yield kernel.container('dentry', 'd_child', link);
}

/** What may stand between the slashes of a path: nothing that leads elsewhere than into the directory itself. */
function isName(name: Buffer): boolean {
  return (
    name.length > 0 &&
    !name.includes(0) &&
    !name.includes('/') &&
    !(name.length <= 2 && name.every((byte) => byte === 0x2e))
  );
}
