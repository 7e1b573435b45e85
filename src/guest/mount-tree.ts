import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import { initMounts } from './mounts.js';
import type { Place } from './paths.js';

/** What init sees mounted where. */
export class MountTree {
  /** Init's root directory. */
  readonly root: Place;
  /** Super blocks of all mounts of init's namespace. */
  readonly superBlocks: ReadonlySet<bigint>;
  readonly #tops = new Map<string, Place>();

  constructor(kernel: Kernel) {
    const { root, mounts } = initMounts(kernel);
    this.root = root;
    const superBlocks = new Set<bigint>();
    for (const mount of mounts) {
      const vfs = kernel.view('vfsmount', mount.at('mnt'));
      superBlocks.add(vfs.pointer('mnt_sb'));
      const parent = mount.pointer('mnt_parent');
      if (parent === mount.address) continue;
      const key = placeKey({ mount: parent, dentry: mount.pointer('mnt_mountpoint') });
      if (this.#tops.has(key))
        throw inconsistent(`the mount at ${hex(mount.address)} is where another one is`);
      this.#tops.set(key, { mount: mount.address, dentry: vfs.pointer('mnt_root') });
    }
    this.superBlocks = superBlocks;
  }

  /** What is seen at a place: the root of the last file system that is mounted there, or the place itself. */
  visible(place: Place): Place {
    let seen = place;
    for (let steps = 0; ; steps++) {
      const top = this.#tops.get(placeKey(seen));
      if (!top) return seen;
      if (steps > this.#tops.size) throw inconsistent(`the mounts at ${hex(place.mount)} are in each other`);
      seen = top;
    }
  }
}

function placeKey({ mount, dentry }: Place): string {
  return `${mount}:${dentry}`;
}
