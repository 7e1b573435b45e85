import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDisk } from '../../../src/disk/open.js';
import { ChangeCollector } from '../../../src/shadow/fs/collector.js';
import { openShadowFs, type ShadowFs } from '../../../src/shadow/fs/open.js';
import { makeFileSystem, run, sparseFile, temporaryDirectory } from '../../disk/images.js';

/** Opens the shadow of a guest whose disk has what `makeTree` makes, all of it old, and gives it to `use`. */
export async function onGuest(
  makeTree: (top: string) => void,
  use: (shadow: ShadowFs, collector: ChangeCollector) => Promise<void>,
): Promise<void> {
  using folder = temporaryDirectory();
  const tree = join(folder.path, 'tree');
  const image = join(folder.path, 'disk.raw');
  mkdirSync(tree);
  makeTree(tree);
  run('find', tree, '-exec', 'touch', '-h', '-d', '@1000000000', '{}', '+');
  sparseFile(image, 32 << 20);
  makeFileSystem(image, { tree });
  await using disk = await openDisk(image, { scratch: folder.path });
  await using shadow = await openShadowFs({ disk, scratch: folder.path, limit: 64 << 20 });
  await use(shadow, new ChangeCollector(shadow));
}
