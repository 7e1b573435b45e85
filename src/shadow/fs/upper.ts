import { statfsSync } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../base/command.js';
import { OuaError } from '../../base/errors.js';
import { ResourceStack } from '../../base/resources.js';
import { attachLoop, mount, unmount } from '../../native/mounts.js';
import { freeShare, limitInWords } from './limit.js';

/** A size-limited file system of the host for what the update writes. */
export interface UpperStore extends AsyncDisposable {
  readonly path: string;
  /** Bytes. */
  readonly limit: number;
  /** @throws OuaError `DISK_FULL` when (almost) nothing more fits. */
  checkSpace(): void;
}

const smallestStore = 16 << 20;
/** What is left over when a write has failed: ext4 takes large pieces or none, and programs remove what is incomplete. */
const tightShare = 0.125;
const tightBytes = 16 << 20;

/**
 * Makes the file system that holds all upper layers: ext4 in a sparse file that is unlinked at once.
 *
 * Not tmpfs: before Linux 6.6 that has no `user.*` attributes, and a dist-upgrade's files would sit in RAM.
 * The file takes only what is written, cannot outgrow its limit, and is gone with its last user, even when we
 * are killed. There is no journal and no barrier: nothing in it outlives us, so nothing needs to be durable.
 */
export async function makeUpperStore(folder: string, limit: number): Promise<UpperStore> {
  await using stack = new ResourceStack();
  const space = statfsSync(folder);
  const size = Math.floor(Math.min(limit, space.bavail * space.bsize * freeShare) / 4096) * 4096;
  if (size < smallestStore)
    throw new OuaError('DISK_FULL', `no space left in ${folder}`, 'free some space, or set TMPDIR elsewhere');
  const image = join(folder, 'upper.img');
  const file = await open(image, 'wx', 0o600);
  try {
    await file.truncate(size);
  } finally {
    await file.close();
  }
  const features = '^has_journal,^resize_inode';
  await runTool('mke2fs', ['-q', '-F', '-t', 'ext4', '-m', '0', '-i', '8192', '-O', features, image]);

  const path = join(folder, 'upper');
  await mkdir(path, { mode: 0o700 });
  using loop = attachLoop(image, { offset: 0, size });
  await rm(image);
  const restrictions = ['nodev', 'nosuid', 'noexec'];
  mount('ext4', loop.path, path, [...restrictions, 'nobarrier', 'noinit_itable', 'user_xattr', 'acl']);
  stack.defer(() => unmount(path));
  const held = stack.move();
  return {
    path,
    limit: size,
    checkSpace() {
      const left = statfsSync(path);
      const tight = Math.min(left.blocks * tightShare, tightBytes / left.bsize);
      if (left.bavail > tight && left.ffree > 0) return;
      throw new OuaError(
        'DISK_FULL',
        `the update wrote more than the limit of ${Math.round(size / (1 << 20))} MiB`,
        `${limitInWords}: free space there, or set TMPDIR elsewhere`,
      );
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}
