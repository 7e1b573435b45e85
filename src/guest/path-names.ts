import type { Kernel } from '../kernel/kernel.js';
import type { StructView } from '../kernel/struct-view.js';
import { dentryName, type Dentry } from './dentries.js';
import { pathOf, placeAt, type Place } from './paths.js';

type Inode = StructView<'inode'>;

/**
 * File systems without a tree: how each writes the name of a file, by the function that its `d_op->d_dname` is. A
 * kernel without one of them has no such files.
 */
const dynamicNames: Readonly<Record<string, (kernel: Kernel, dentry: Dentry, inode: Inode) => string>> = {
  pipefs_dname: (_, __, inode) => `pipe:[${inode.u64('i_ino')}]`,
  sockfs_dname: (_, __, inode) => `socket:[${inode.u64('i_ino')}]`,
  anon_inodefs_dname: (kernel, dentry) => `anon_inode:${dentryName(kernel, dentry)}`,
  simple_dname: (kernel, dentry) => `/${dentryName(kernel, dentry)} (deleted)`,
  ns_dname: (kernel, _, inode) => `${namespaceKind(kernel, inode)}:[${inode.u64('i_ino')}]`,
  pidfs_dname: () => 'anon_inode:[pidfd]',
};

/**
 * Names of places and open files as a reader with one root sees them, each worked out once: processes have most
 * of theirs in common.
 */
export class PathNames {
  /** By dentry, then by mount. */
  readonly #names = new Map<bigint, Map<bigint, string | undefined>>();

  constructor(
    readonly kernel: Kernel,
    readonly root: Place,
  ) {}

  /** Of an open file, by its address: what `/proc/<pid>/fd/N` and `maps` show. See {@link ofPlace}. */
  ofFile(file: bigint): string | undefined {
    return this.ofPlace(placeAt(this.kernel, file + BigInt(this.kernel.offset('file', 'f_path'))));
  }

  /** d_path(), fs/d_path.c. Undefined on a file system that makes up its names in a way that we do not know. */
  ofPlace(place: Place): string | undefined {
    let byMount = this.#names.get(place.dentry);
    if (!byMount) this.#names.set(place.dentry, (byMount = new Map<bigint, string | undefined>()));
    if (!byMount.has(place.mount)) byMount.set(place.mount, this.#read(place));
    return byMount.get(place.mount);
  }

  #read(place: Place): string | undefined {
    const { kernel, root } = this;
    const dentry = kernel.view('dentry', place.dentry);
    const isRoot = dentry.pointer('d_parent') === dentry.address;
    const function_ = isRoot && isMountRoot(kernel, place) ? 0n : nameFunction(kernel, dentry);
    if (function_ !== 0n) {
      const write = Object.entries(dynamicNames).find(([name]) => kernel.find(name) === function_)?.[1];
      return write?.(kernel, dentry, kernel.view('inode', dentry.pointer('d_inode')));
    }
    const deleted = !isRoot && dentry.pointer('d_hash_pprev') === 0n;
    return `${pathOf(kernel, place, root)}${deleted ? ' (deleted)' : ''}`;
  }
}

function nameFunction(kernel: Kernel, dentry: Dentry): bigint {
  const operations = dentry.pointer('d_op');
  return operations === 0n ? 0n : kernel.view('dentry_operations', operations).pointer('d_dname');
}

function isMountRoot(kernel: Kernel, { mount, dentry }: Place): boolean {
  const vfs = kernel.view('vfsmount', mount + BigInt(kernel.offset('mount', 'mnt')));
  return vfs.pointer('mnt_root') === dentry;
}

/** The inode's private data is the `struct ns_common`. */
function namespaceKind(kernel: Kernel, inode: Inode): string {
  const namespace = kernel.view('ns_common', inode.pointer('i_private'));
  return kernel.text(kernel.view('proc_ns_operations', namespace.pointer('ops')).pointer('name'), 64);
}
