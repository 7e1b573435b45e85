import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import { maxPathNames } from './dentries.js';
import { cachedNames } from './directory-entries.js';
import { lookUp } from './file-lookup.js';
import type { DeviceNumber } from './guest.js';
import type { GuestFile, GuestFiles, TreeEntry } from './guest-files.js';
import { inodeFile } from './inode-file.js';
import { MountTree } from './mount-tree.js';
import type { Place } from './paths.js';
import { superBlockReader, type SuperBlock } from './super-blocks.js';

/** Names in a tree. More would be millions of files in the dentry cache; a damaged one could go on for long. */
const maxTree = 1 << 20;

/** The guest's files as the dentry cache, the inodes and the page cache have them. */
export class MemoryFiles implements GuestFiles {
  readonly #kernel: Kernel;
  readonly #superBlock: (address: bigint) => SuperBlock;
  #known: MountTree | undefined;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#superBlock = superBlockReader(kernel);
  }

  find(path: string): GuestFile {
    const file = this.#describe(this.#lookUp(path).dentry);
    const content = file.content;
    if (!content) return file;
    return {
      ...file,
      content: () => {
        this.#kernel.resetBudget();
        return content();
      },
    };
  }

  tree(path: string): Iterable<TreeEntry> {
    const top = this.#lookUp(path);
    return this.#walk(top, (place) => this.#mounts.visible(place));
  }

  memoryTree(device: DeviceNumber): Iterable<TreeEntry> | undefined {
    this.#kernel.resetBudget();
    for (const address of this.#mounts.superBlocks) {
      const found = this.#superBlock(address);
      if (found.device.major !== device.major || found.device.minor !== device.minor) continue;
      if (!found.memoryOnly) return undefined;
      const dentry = this.#kernel.view('super_block', address).pointer('s_root');
      return this.#walk({ mount: 0n, dentry }, (place) => place);
    }
    return undefined;
  }

  get #mounts(): MountTree {
    return (this.#known ??= new MountTree(this.#kernel));
  }

  #lookUp(path: string): Place {
    this.#kernel.resetBudget();
    return lookUp(this.#kernel, this.#mounts, (dentry) => this.#describe(dentry), path);
  }

  #describe(dentry: bigint): GuestFile {
    const address = this.#kernel.view('dentry', dentry).pointer('d_inode');
    if (address === 0n) throw inconsistent(`the dentry at ${hex(dentry)} has no inode`);
    const inode = this.#kernel.view('inode', address);
    return inodeFile(this.#kernel, inode, this.#superBlock(inode.pointer('i_sb')));
  }

  /**
   * A dentry is in its one parent's list only, once, so no directory is met twice; a mount neither.
   * @param visible what is seen at a place of the mount tree
   */
  *#walk(top: Place, visible: (place: Place) => Place): Generator<TreeEntry> {
    const kernel = this.#kernel;
    const entered = new Set([top.mount]);
    const pending: { parent: readonly Buffer[]; name?: Buffer; place: Place | undefined }[] = [
      { parent: [], place: top },
    ];
    for (let next = pending.pop(), count = 1; next; next = pending.pop()) {
      const names = next.name ? [...next.parent, next.name] : next.parent;
      const { place } = next;
      if (!place) {
        yield { names, file: undefined };
        continue;
      }
      const file = this.#describe(place.dentry);
      yield { names, file };
      if (file.kind !== 'directory') continue;
      if (names.length > maxPathNames) throw inconsistent('a tree of directories does not end');
      for (const child of cachedNames(kernel, kernel.view('dentry', place.dentry)).reverse()) {
        if (child.inode === 0n && file.complete) continue;
        if (++count > maxTree) throw inconsistent('a tree of files does not end');
        const seen = visible({ mount: place.mount, dentry: child.dentry });
        if (seen.mount !== place.mount) {
          if (entered.has(seen.mount)) throw inconsistent(`the mount at ${hex(seen.mount)} is in itself`);
          entered.add(seen.mount);
        }
        pending.push({ parent: names, name: child.name, place: child.inode === 0n ? undefined : seen });
      }
    }
  }
}
