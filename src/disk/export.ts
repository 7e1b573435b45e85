import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfAborted } from '../base/abort.js';
import { runTool, startTool } from '../base/command.js';
import { OuaError } from '../base/errors.js';
import { isMountPoint } from '../base/mounts.js';
import { unmount } from '../native/mounts.js';
import { ResourceStack } from '../base/resources.js';
import { blockNodes, virtualSize, type ImageLayer } from './image.js';

/** The guest's disk as a file of this host: reads come from the image, writes go to a throw-away layer. */
export interface ExportedDisk extends AsyncDisposable {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/** Milliseconds. qemu-storage-daemon starts in well under one second. */
const startTimeout = 30_000;
const stopTimeout = 10_000;

/**
 * Serves an image chain through qemu-storage-daemon and FUSE. The image files are opened read-only.
 *
 * @param scratch an existing directory, for a throw-away layer that grows with what journal replay writes
 * @throws OuaError `DISK_DAMAGED`, `INTERRUPTED`
 */
export async function exportDisk(
  chain: readonly ImageLayer[],
  scratch: string = tmpdir(),
  signal?: AbortSignal,
): Promise<ExportedDisk> {
  throwIfAborted(signal);
  await using stack = new ResourceStack();
  const size = await virtualSize(chain[0]!, signal);
  const folder = await mkdtemp(join(scratch, 'ouassister-disk-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const layer = join(folder, 'layer.qcow2');
  const path = join(folder, 'disk');
  await runTool('qemu-img', ['create', '-q', '-f', 'qcow2', layer, String(size)]);
  await writeFile(path, '', { mode: 0o600 });

  const nodes = [
    ...blockNodes(chain, 'image'),
    { driver: 'qcow2', 'node-name': 'layer', backing: 'image', file: { driver: 'file', filename: layer } },
  ];
  const fuse = { type: 'fuse', id: 'disk', 'node-name': 'layer', mountpoint: path, writable: true };
  const daemon = startTool('qemu-storage-daemon', [
    ...nodes.flatMap((node) => ['--blockdev', JSON.stringify(node)]),
    '--export',
    JSON.stringify(fuse),
  ]);
  stack.defer(async () => {
    daemon.kill('SIGTERM', new Error('the disk is closed'));
    const force = setTimeout(() => daemon.kill('SIGKILL'), stopTimeout);
    await daemon;
    clearTimeout(force);
    if (isMountPoint(path)) unmount(path);
  });

  let failure: string | undefined;
  void daemon.then((result) => (failure = result.stderr.trim().split('\n').pop() || 'it ended by itself'));
  const deadline = performance.now() + startTimeout;
  while (!isMountPoint(path)) {
    throwIfAborted(signal);
    if (failure !== undefined) throw exportError(chain[0]!, failure);
    if (performance.now() > deadline)
      throw new OuaError('HOST_FAILED', 'qemu-storage-daemon does not start', 'run `ouassister doctor`');
    await sleep(5);
  }
  // The daemon keeps it open; a killed program then leaves no copy of the guest's data behind.
  await rm(layer);
  await stat(path);
  const held = stack.move();
  return { path, size, [Symbol.asyncDispose]: () => held[Symbol.asyncDispose]() };
}

function exportError(top: ImageLayer, words: string): OuaError {
  return new OuaError(
    'DISK_DAMAGED',
    `${top.path} cannot be opened as ${top.format}: ${words}`,
    'check the image with `qemu-img check`',
  );
}
