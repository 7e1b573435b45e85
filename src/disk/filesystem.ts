import { throwIfAborted } from '../base/abort.js';
import { runTool } from '../base/command.js';
import { OuaError } from '../base/errors.js';
import { attachLoop, unmount } from '../native/mounts.js';
import type { Extent } from './partitions.js';

/** A file system on the guest's disk. */
export interface FileSystem {
  /** As blkid(8) prints it; undefined: it has none. */
  readonly uuid: string | undefined;
  /** `ext4`, or another type that can be listed but not mounted. */
  readonly type: string;
  /** From 1; undefined: it fills the whole disk. */
  readonly partition: number | undefined;
  /**
   * Mounts it read-only at `at`, an empty directory of ours, with its journal replayed into the throw-away
   * layer. Nothing in it can be executed or act as a device there.
   *
   * @throws OuaError `GUEST_UNSUPPORTED` for a type that we do not mount, `DISK_DAMAGED` when the kernel refuses it
   */
  mount(at: string, signal?: AbortSignal): Promise<AsyncDisposable>;
}

/**
 * Types that we let the host's kernel mount, and how. Each is a parser of hostile data in the kernel, so this
 * list is short. `errors=` overrides the superblock's own wish, which may be to panic the host.
 */
const mountable: Readonly<Record<string, readonly string[]>> = {
  ext2: ['errors=remount-ro'],
  ext3: ['errors=remount-ro'],
  ext4: ['errors=remount-ro'],
};

/** Names a file system in messages. */
export function describe(fs: Pick<FileSystem, 'uuid' | 'type' | 'partition'>): string {
  const place = fs.partition === undefined ? 'whole disk' : `partition ${fs.partition}`;
  return `${fs.type} on ${place}${fs.uuid === undefined ? '' : ` (${fs.uuid})`}`;
}

/** A file system in `extent` of the exported disk at `disk`. */
export function fileSystem(disk: string, extent: Extent, type: string, uuid: string | undefined): FileSystem {
  const known = { uuid, type, partition: extent.partition };
  return {
    ...known,
    async mount(at, signal) {
      throwIfAborted(signal);
      const options = mountable[type];
      if (!options)
        throw new OuaError(
          'GUEST_UNSUPPORTED',
          `the file system ${describe(known)} is of a type that is not supported`,
          `supported are ${Object.keys(mountable).join(', ')}`,
        );
      await mountExtent(
        disk,
        extent,
        type,
        ['ro', 'nodev', 'nosuid', 'noexec', ...options],
        at,
        describe(known),
      );
      return { [Symbol.asyncDispose]: () => Promise.resolve(unmount(at)) };
    },
  };
}

async function mountExtent(
  disk: string,
  extent: Extent,
  type: string,
  options: readonly string[],
  at: string,
  description: string,
): Promise<void> {
  // A writable loop: on a read-only one ext4 refuses to replay its journal.
  using loop = attachLoop(disk, extent);
  try {
    await runTool('mount', ['-i', '-t', type, '-o', options.join(','), loop.path, at]);
  } catch (error) {
    throw new OuaError(
      'DISK_DAMAGED',
      `the file system ${description} cannot be mounted: ${error instanceof Error ? error.message : String(error)}`,
      'check a copy of the image with e2fsck',
      { cause: error },
    );
  }
}
