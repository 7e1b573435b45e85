import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDisk } from '../../../src/disk/open.js';
import type { GuestFiles } from '../../../src/guest/guest-files.js';
import type { Mount } from '../../../src/guest/guest.js';
import type { FileChange } from '../../../src/plan/model.js';
import { ChangeCollector } from '../../../src/shadow/fs/collector.js';
import { openShadowFs, type ShadowFs } from '../../../src/shadow/fs/open.js';
import {
  makeFileSystem,
  makePartitionedDisk,
  run,
  sparseFile,
  temporaryDirectory,
} from '../../disk/images.js';

type Use = (shadow: ShadowFs, collector: ChangeCollector) => Promise<void>;

/** Opens the shadow of a guest whose disk has what `makeTree` makes, all of it old, and gives it to `use`. */
export async function onGuest(makeTree: (top: string) => void, use: Use): Promise<void> {
  using folder = temporaryDirectory();
  const tree = oldTree(join(folder.path, 'tree'), makeTree);
  const image = join(folder.path, 'disk.raw');
  sparseFile(image, 32 << 20);
  makeFileSystem(image, { tree });
  await using disk = await openDisk(image, { scratch: folder.path });
  await using shadow = await openShadowFs({ disk, scratch: folder.path, limit: 64 << 20 });
  await use(shadow, new ChangeCollector(shadow));
}

/** What a guest has on its disk, in memory, and where. */
export interface MountedGuest {
  /** Each makes what is on a partition. */
  readonly trees: readonly ((top: string) => void)[];
  /** @param uuids of the partitions */
  readonly mounts: (uuids: readonly string[]) => readonly Mount[];
  readonly files?: GuestFiles;
}

/** The same of a guest with several mounts. What is there when it begins is no change. */
export async function onMounts({ trees, mounts, files }: MountedGuest, use: Use): Promise<void> {
  using folder = temporaryDirectory();
  const image = join(folder.path, 'disk.raw');
  const tops = trees.map((makeTree, index) => oldTree(join(folder.path, `tree-${index}`), makeTree));
  const uuids = makePartitionedDisk(image, tops);
  await using disk = await openDisk(image, { scratch: folder.path });
  await using shadow = await openShadowFs({
    ...{ disk, mounts: mounts(uuids), scratch: folder.path, limit: 64 << 20 },
    ...(files && { files }),
  });
  const collector = new ChangeCollector(shadow);
  await collector.baseline();
  await use(shadow, collector);
}

export function guestMount(mountPoint: string, type: string, more: Partial<Mount> = {}): Mount {
  const device = { major: 0, minor: 0 };
  const options = { options: 'rw', superOptions: 'rw', propagation: '', source: type, uuid: undefined };
  return { id: 0, parentId: 0, device, root: '/', mountPoint, type, ...options, ...more };
}

/** Tells a change in a line. */
export function tell(change: FileChange): string {
  const path = change.path.toString('latin1');
  if (change.action === 'link') return `link ${path} -> ${change.to.toString('latin1')}`;
  return change.action === 'put' ? `put ${change.state.type} ${path}` : `remove ${path}`;
}

function oldTree(top: string, make: (top: string) => void): string {
  mkdirSync(top);
  make(top);
  run('find', top, '-exec', 'touch', '-h', '-d', '@1000000000', '{}', '+');
  return top;
}
