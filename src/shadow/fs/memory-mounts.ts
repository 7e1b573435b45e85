import { mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { runTool } from '../../base/command.js';
import { mount, unmount } from '../../native/mounts.js';
import type { GuestFiles, TreeEntry } from '../../guest/guest-files.js';
import type { DeviceNumber } from '../../guest/guest.js';
import { copyTree, type CopyRoom } from './copy-tree.js';
import { HostTree } from './host-tree.js';
import type { MemoryMount } from './layout.js';

/** A file of the guest's memory that the shadow does not show as the guest had it. */
export interface LeftOutFile {
  /** As the guest sees it. */
  readonly path: string;
  readonly reason: string;
}

/** What the shadow lacks of what the guest kept in memory. */
export interface LeftOut {
  readonly count: number;
  /** The first ones. */
  readonly files: readonly LeftOutFile[];
}

/** Bytes that one of the guest's tmpfs mounts may hold when the guest sets no limit itself. */
const memoryLimit = 512 * 2 ** 20;
const maxNames = 1 << 18;
const maxNamed = 100;

/** In the folder of the copies. */
const untouchedFolder = 'untouched';

/** What a mount shows: a part of a file system, `/` for all of it. */
export interface MountedPart {
  /** Where the file system is mounted on the host. */
  readonly path: string;
  readonly part: string;
  readonly type: 'directory' | 'other';
}

/**
 * Copies file systems that the guest keeps in memory: a tmpfs of ours for each, with the same files, and a second copy
 * that stays so. Several mounts of one file system show one.
 */
export class MemoryMounts implements Disposable {
  readonly #folder: string;
  readonly #files: GuestFiles | undefined;
  readonly #room: CopyRoom = { bytes: memoryLimit, names: maxNames };
  readonly #sources = new Map<string, string>();
  /** Where tmpfs of ours are, in the order in which they were mounted. */
  readonly #mounted: string[] = [];
  readonly #leftOut: LeftOutFile[] = [];
  #leftOutCount = 0;

  /**
   * @param folder existing directory that only we reach
   * @param files undefined: the file systems stay empty
   */
  constructor(folder: string, files: GuestFiles | undefined) {
    this.#folder = folder;
    this.#files = files;
  }

  get leftOut(): LeftOut {
    return { count: this.#leftOutCount, files: this.#leftOut };
  }

  /** The second copy of what {@link copy} has given, as the guest had it. */
  untouched(path: string): string {
    return join(this.#folder, untouchedFolder, basename(path));
  }

  /** @throws OuaError `GUEST_UNSUPPORTED` when there is too much to copy, `GUEST_INCONSISTENT` */
  copy(mount: MemoryMount): MountedPart {
    const key = `${mount.device.major}:${mount.device.minor}`;
    const path = this.#sources.get(key) ?? this.#make(mount, true);
    this.#sources.set(key, path);
    const part = mount.root;
    const type = typeOf(path, part);
    if (type !== undefined) return { path, part, type };
    // The part was removed since it was mounted, or left out.
    this.#leaveOut(mount.at, 'what is mounted there was not found');
    return { path: this.#make(mount, false), part: '/', type: 'directory' };
  }

  /** Makes the second copies, when the first ones are all there and nothing has changed them. */
  async keep(): Promise<void> {
    const copies = [...this.#mounted];
    if (copies.length === 0) return;
    // They share one file system: what may be copied at all fits into it.
    const kept = this.#makeTmpfs(untouchedFolder, ['mode=700']);
    await runTool('cp', ['--archive', ...copies, kept]);
  }

  [Symbol.dispose](): void {
    unmount(...this.#mounted.splice(0).reverse());
  }

  /** Makes a tmpfs beside the tree: no name of the guest's is ever resolved at its mounting. */
  #make(mount: MemoryMount, fill: boolean): string {
    const path = this.#makeTmpfs(`memory-${this.#mounted.length}`, mount.options);
    if (fill) this.#fill(path, mount);
    return path;
  }

  #makeTmpfs(name: string, options: readonly string[]): string {
    const path = join(this.#folder, name);
    mkdirSync(path);
    mount('tmpfs', 'tmpfs', path, ['nodev', `size=${memoryLimit}`, ...options]);
    this.#mounted.push(path);
    return path;
  }

  #fill(path: string, { device, at, root }: MemoryMount): void {
    // Of a part that is mounted alone the whole file system is copied: its paths are told as those within it.
    const top = root === '/' ? at : `${at}, mounted from `;
    copyTree(path, memoryTree(this.#files, device), this.#room, (names, reason) => {
      const below = names.map((name) => `/${name.toString()}`).join('');
      this.#leaveOut(top + (root === '/' ? below : below || '/'), reason);
    });
  }

  #leaveOut(path: string, reason: string): void {
    this.#leftOutCount++;
    if (this.#leftOut.length < maxNamed) this.#leftOut.push({ path, reason });
  }
}

/** Begins to read when it is walked, so that what it throws is met there. */
function* memoryTree(files: GuestFiles | undefined, device: DeviceNumber): Generator<TreeEntry> {
  yield* files?.memoryTree(device) ?? [];
}

function typeOf(source: string, part: string): 'directory' | 'other' | undefined {
  const path = Buffer.from(part).toString('latin1').replace(/^\/+/, '');
  const status = new HostTree(source).lstat(path);
  return status && (status.isDirectory() ? 'directory' : 'other');
}
