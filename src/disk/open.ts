import { ResourceStack } from '../base/resources.js';
import { exportDisk } from './export.js';
import { fileSystem, type FileSystem } from './filesystem.js';
import { imageChain, type DiskFormat } from './image.js';
import { requireNoWriter } from './locks.js';
import { partitions, probe, type Extent } from './partitions.js';

/** A guest's disk, opened so that the image's bytes never change. */
export interface Disk extends AsyncDisposable {
  /** The image's path, as given. */
  readonly path: string;
  readonly format: DiskFormat;
  /** Bytes that the guest sees. */
  readonly size: number;
  /** Everything recognised on it, in the order of the partition table. */
  readonly fileSystems: readonly FileSystem[];
}

export interface OpenDiskOptions {
  /** What the image is. Default: qcow2 when it begins like one, else raw. */
  readonly format?: DiskFormat;
  /** Files that the image may be based on. Default: none. */
  readonly backing?: readonly string[];
  /** Existing directory for the throw-away layer. Default: the system's temporary directory. */
  readonly scratch?: string;
  readonly signal?: AbortSignal;
}

/**
 * Opens a disk image, partitioned or not. Needs root. What is mounted from it must be unmounted before it is
 * disposed.
 *
 * @throws OuaError `FILE_MISSING`, `DISK_FORMAT`, `DISK_DAMAGED`, `GUEST_BUSY` (the image is in use), `INTERRUPTED`
 */
export async function openDisk(path: string, options: OpenDiskOptions = {}): Promise<Disk> {
  await using stack = new ResourceStack();
  const chain = imageChain(path, options.format, options.backing ?? []);
  for (const layer of chain) requireNoWriter(layer.path);
  const disk = stack.use(await exportDisk(chain, options.scratch, options.signal));
  const fileSystems = await findFileSystems(disk.path, disk.size, options.signal);
  const held = stack.move();
  return {
    path,
    format: chain[0]!.format,
    size: disk.size,
    fileSystems,
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

async function findFileSystems(path: string, size: number, signal?: AbortSignal): Promise<FileSystem[]> {
  const whole: Extent = { partition: undefined, offset: 0, size };
  const top = await probe(path, whole, signal);
  const isWhole = top.type !== undefined || top.table === undefined;
  const extents = isWhole ? [whole] : await partitions(path, size, signal);
  const found: FileSystem[] = [];
  for (const extent of extents) {
    const { type, uuid } = extent === whole ? top : await probe(path, extent, signal);
    if (type !== undefined) found.push(fileSystem(path, extent, type, uuid));
  }
  return found;
}
