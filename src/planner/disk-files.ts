import type { FileIdentity, Mount } from '../guest/guest.js';
import { HostTree } from '../shadow/fs/host-tree.js';
import { fromGuestPath, type Layer } from '../shadow/fs/layer.js';

/** What two names of one file have in common, and a file in memory with the same one on the disk. */
export function fileKey({ device, inode }: Pick<FileIdentity, 'device' | 'inode'>): string {
  return `${device.major}:${device.minor}:${inode}`;
}

/** The files on the guest's disk, by what the guest's kernel knows them by. */
export class DiskFiles {
  readonly #layers: readonly Layer[];
  readonly #mounts: ReadonlyMap<string, Mount>;
  readonly #trees: ReadonlyMap<Layer, HostTree>;

  /** @param mounts reachable ones */
  constructor(layers: readonly Layer[], mounts: readonly Mount[]) {
    this.#layers = layers.filter(({ onDisk }) => onDisk);
    this.#mounts = new Map(mounts.map((mount) => [mount.mountPoint, mount]));
    this.#trees = new Map(this.#layers.map((layer) => [layer, new HostTree(layer.lower)]));
  }

  /** The {@link fileKey} of what was at a path at the suspend; undefined: nothing was, or in memory only. */
  key(path: Buffer): string | undefined {
    const place = fromGuestPath(this.#layers, path);
    const device = place && this.#mounts.get(place.layer.at)?.device;
    const stat = place && this.#trees.get(place.layer)?.lstat(place.path);
    return device && stat ? fileKey({ device, inode: stat.ino }) : undefined;
  }

  /** Whether a file is on one of the file systems that the shadow is made of. */
  holds({ device }: Pick<FileIdentity, 'device'>): boolean {
    return this.#layers.some(({ at }) => {
      const own = this.#mounts.get(at)?.device;
      return own?.major === device.major && own.minor === device.minor;
    });
  }
}
