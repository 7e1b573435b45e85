import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import { dentryName, maxPathNames } from './dentries.js';
import type { Task } from './tasks.js';

/** A place in the mount tree: a `struct path`, with the address of the `struct mount` that embeds its vfsmount. */
export interface Place {
  readonly mount: bigint;
  readonly dentry: bigint;
}

/** The root directory of a task. */
export function rootOf(kernel: Kernel, task: Task): Place {
  return placeAt(kernel, kernel.view('fs_struct', task.pointer('fs')).at('root'));
}

/** Reads the `struct path` at an address. */
export function placeAt(kernel: Kernel, address: bigint): Place {
  const path = kernel.view('path', address);
  return {
    mount: path.pointer('mnt') - BigInt(kernel.offset('mount', 'mnt')),
    dentry: path.pointer('dentry'),
  };
}

/** Path from a root to a place, or undefined when the place is not below the root. */
export function pathBelow(kernel: Kernel, place: Place, root: Place): string | undefined {
  const { path, reached } = climb(kernel, place, root);
  return reached ? path : undefined;
}

/**
 * The same as d_path() prints it to a reader with that root: of a place that is not below it, in another mount namespace
 * for one, the path from where the way up ends.
 */
export function pathOf(kernel: Kernel, place: Place, root: Place): string {
  return climb(kernel, place, root).path;
}

/** prepend_path() of fs/d_path.c. */
function climb(kernel: Kernel, place: Place, root: Place): { path: string; reached: boolean } {
  const names: string[] = [];
  let { mount, dentry } = place;
  let reached = true;
  for (let steps = 0; mount !== root.mount || dentry !== root.dentry; steps++) {
    if (steps > maxPathNames) throw inconsistent(`the path of the mount at ${hex(place.mount)} does not end`);
    const view = kernel.view('mount', mount);
    const entry = kernel.view('dentry', dentry);
    const isMountRoot = dentry === kernel.view('vfsmount', view.at('mnt')).pointer('mnt_root');
    const parent = isMountRoot ? view.pointer('mnt_parent') : entry.pointer('d_parent');
    if (parent === (isMountRoot ? mount : dentry)) {
      reached = false;
      break;
    }
    if (isMountRoot) {
      dentry = view.pointer('mnt_mountpoint');
      mount = parent;
    } else {
      names.push(dentryName(kernel, entry));
      dentry = parent;
    }
  }
  return { path: `/${names.reverse().join('/')}`, reached };
}
