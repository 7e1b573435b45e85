import { chmodSync, chownSync, lstatSync, mkdirSync, utimesSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { throwIfAborted } from '../../base/abort.js';
import { runTool } from '../../base/command.js';
import { unmount } from '../../native/mounts.js';
import { ResourceStack } from '../../base/resources.js';
import { sideBySide } from '../../base/side-by-side.js';
import type { FileSystem } from '../../disk/filesystem.js';
import type { Disk } from '../../disk/open.js';
import type { GuestFiles } from '../../guest/guest-files.js';
import type { Mount } from '../../guest/guest.js';
import { check, loadShim } from '../../native/shim.js';
import { attach } from './attach.js';
import type { Layer, Part } from './layer.js';
import { planLayout, type DiskMount } from './layout.js';
import { defaultLimit } from './limit.js';
import { MemoryMounts, type LeftOut, type MountedPart } from './memory-mounts.js';
import { makeUpperStore, type UpperStore } from './upper.js';

/** What the package manager gets as `/`: the guest's tree, writable, with nothing of it written to the disk. */
export interface ShadowFs extends AsyncDisposable {
  /**
   * Host path of the guest's `/`. Below a directory that only root can enter, because setuid files of the
   * guest lie here. Everything below is the guest's: never follow a symbolic link in it, see `openInShadow`.
   */
  readonly root: string;
  /** UUID of the root file system. */
  readonly rootUuid: string | undefined;
  /** The file systems that changes are collected of: those of the disk, `/` first, and those in memory. */
  readonly layers: readonly Layer[];
  /** Host path of the guest's `/dev/shm`, which is not below `root`; undefined when it has none of its own. */
  readonly sharedMemory: string | undefined;
  /** What the guest had in memory file systems and is not here. */
  readonly leftOut: LeftOut;
  /** @throws OuaError `DISK_FULL` when the update has used up its space. */
  checkSpace(): void;
}

export interface OpenShadowFsOptions {
  readonly disk: Disk;
  /** Those of the guest's that its paths lead into, from its memory. */
  readonly mounts?: readonly Mount[];
  /** The guest's files, for its file systems in memory. Default: those are empty. */
  readonly files?: GuestFiles;
  /** Existing directory for what the update writes. Default: the system's temporary directory. */
  readonly scratch?: string;
  /** Bytes that the update may write. Default 16 GiB, and never more than the host has. */
  readonly limit?: number;
  readonly signal?: AbortSignal;
}

/**
 * Mounts the guest's file systems at their places, each under an overlay of its own.
 *
 * `index=on`: a hard link's twins stay twins when one is changed. `redirect_dir=on`: a directory can be renamed
 * (otherwise EXDEV, which a real guest never sees). `metacopy=off`: the upper layer holds whole files. `xino=on`:
 * inode numbers stand still. `volatile`: no sync, since nothing here outlives us.
 *
 * @throws OuaError `GUEST_MISMATCH`, `GUEST_UNSUPPORTED`, `GUEST_INCONSISTENT`, `DISK_DAMAGED`, `DISK_FULL`, `INTERRUPTED`
 */
export async function openShadowFs(options: OpenShadowFsOptions): Promise<ShadowFs> {
  const { disk, signal } = options;
  throwIfAborted(signal);
  const layout = planLayout(disk.fileSystems, options.mounts);
  await using stack = new ResourceStack();
  const folder = await mkdtemp(join(options.scratch ?? tmpdir(), 'ouassister-shadow-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const root = join(folder, 'root');
  mkdirSync(root);

  const memory = stack.use(new MemoryMounts(folder, options.files));
  const disks = new DiskMounts(folder, stack, signal);
  const [store] = await sideBySide([
    makeUpperStore(folder, options.limit ?? defaultLimit).then((it) => stack.use(it)),
    disks.mount(layout.root),
  ]);
  const layers = new Map<string, Layer & { readonly elsewhere: Part[] }>();
  for (const mount of [layout.root, ...layout.mounts]) {
    throwIfAborted(signal);
    const { at, flags, covered } = mount;
    const shown = mount.kind === 'memory' ? memory.copy(mount) : await disks.mount(mount);
    const part = { at, root: shown.part, flags, covered };
    let layer = layers.get(shown.path);
    if (layer) layer.elsewhere.push(part);
    else {
      const trees =
        mount.kind === 'memory'
          ? inMemory(shown.path, memory, store)
          : await makeOverlay(stack, { folder, store, index: layers.size }, shown.path);
      layer = { ...part, elsewhere: [], ...trees };
      layers.set(shown.path, layer);
    }
    if (mount === layout.root) stack.defer(() => unmount(root));
    if (mount.kind === 'memory') placeInMemory(shown, flags, root, at);
    else attach(layer.merged, shown.part, root, at, flags);
  }
  const sharedMemory = layout.sharedMemory && join(folder, 'shm');
  if (layout.sharedMemory && sharedMemory) {
    const shown = memory.copy(layout.sharedMemory);
    placeInMemory(shown, layout.sharedMemory.flags, folder, '/shm');
    stack.defer(() => unmount(sharedMemory));
  }
  await memory.keep();
  const held = stack.move();
  return {
    root,
    sharedMemory,
    rootUuid: layout.root.fileSystem.uuid,
    layers: [...layers.values()],
    leftOut: memory.leftOut,
    checkSpace: () => store.checkSpace(),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** File systems of the disk, each mounted once. */
class DiskMounts {
  readonly #paths = new Map<FileSystem, string>();

  constructor(
    private readonly folder: string,
    private readonly stack: ResourceStack,
    private readonly signal: AbortSignal | undefined,
  ) {}

  async mount({ fileSystem, root }: DiskMount): Promise<MountedPart> {
    const known = this.#paths.get(fileSystem);
    const path = known ?? join(this.folder, `disk-${this.#paths.size}`);
    if (known === undefined) {
      this.#paths.set(fileSystem, path);
      mkdirSync(path);
      this.stack.use(await fileSystem.mount(path, this.signal));
    }
    return { path, part: root, type: 'directory' };
  }
}

/** A layer without its mounts. */
type Trees = Omit<Layer, keyof Part | 'elsewhere'>;

function inMemory(path: string, memory: MemoryMounts, { limit }: UpperStore): Trees {
  return { onDisk: false, lower: memory.untouched(path), upper: path, merged: path, limit };
}

async function makeOverlay(
  stack: ResourceStack,
  { folder, store, index }: { readonly folder: string; readonly store: UpperStore; readonly index: number },
  lower: string,
): Promise<Trees> {
  const merged = join(folder, `merged-${index}`);
  const upper = join(store.path, `upper-${index}`);
  for (const path of [merged, upper, join(store.path, `work-${index}`)]) mkdirSync(path);
  copyAttributes(lower, upper);
  // Relative names: the option string has no way to write a comma or a colon.
  const overlay = [
    `lowerdir=${basename(lower)},upperdir=upper/upper-${index},workdir=upper/work-${index}`,
    'index=on,redirect_dir=on,metacopy=off,xino=on,volatile,nodev',
  ];
  await runTool('mount', ['-i', '-t', 'overlay', '-o', overlay.join(','), 'overlay', merged], {
    cwd: folder,
  });
  stack.defer(() => unmount(merged));
  return { onDisk: true, lower, upper, merged, limit: store.limit };
}

/** Its mount point may be in memory, too. A read-only one was filled first; the shadow's may be written to. */
function placeInMemory(
  { path, part, type }: MountedPart,
  flags: readonly string[],
  root: string,
  at: string,
): void {
  if (type === 'directory') check(`mkdir ${at}`, loadShim().oua_make_directory(root, at.slice(1)));
  attach(
    path,
    part,
    root,
    at,
    flags.filter((flag) => flag !== 'ro'),
  );
}

/** The merged top directory shows the attributes of the upper one. */
function copyAttributes(from: string, to: string): void {
  const { uid, gid, mode, atime, mtime } = lstatSync(from);
  chownSync(to, uid, gid);
  chmodSync(to, mode & 0o7777);
  utimesSync(to, atime, mtime);
}
