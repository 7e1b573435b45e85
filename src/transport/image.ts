import { copyFile, mkdir, rename, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../base/command.js';

/** Only features that every kernel since the first ext4 can read. */
const features = 'none,extent,filetype,sparse_super,large_file';
const blockSize = 4096;

/**
 * Builds a small read-only ext4 image that holds the agent and the stream.
 *
 * @param folder of our own, for the image and its source
 * @returns path of the image
 */
export async function buildImage(
  folder: string,
  agent: string,
  stream: string,
  signal?: AbortSignal,
): Promise<string> {
  const content = join(folder, 'content');
  const image = join(folder, 'image');
  await mkdir(content, { mode: 0o700 });
  await copyFile(agent, join(content, 'agent'));
  await rename(stream, join(content, 'stream'));
  const bytes = (await stat(agent)).size + (await stat(join(content, 'stream'))).size;
  // Besides the data: its extents, one inode table and bitmaps for each 128 MiB, and some room.
  const blocks = Math.ceil((bytes * 1.01) / blockSize) + 1024;
  const options = ['-q', '-F', '-t', 'ext4', '-O', features, '-b', String(blockSize), '-m', '0', '-N', '64'];
  await runTool('mke2fs', [...options, '-E', 'root_owner=0:0', '-d', content, image, String(blocks)], {
    ...(signal && { cancelSignal: signal }),
  });
  return image;
}
