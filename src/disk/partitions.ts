import { z } from 'zod';
import { runTool, toolExitStatus } from '../base/command.js';
import { OuaError } from '../base/errors.js';

/** A stretch of a disk, in bytes. */
export interface Extent {
  /** From 1, as in `/dev/vda1`; undefined: the whole disk. */
  readonly partition: number | undefined;
  readonly offset: number;
  readonly size: number;
}

/** What blkid(8) finds in an extent. */
export interface Signature {
  /** File system or other content: `ext4`, `swap`, `LVM2_member`, …; undefined: nothing known. */
  readonly type: string | undefined;
  readonly uuid: string | undefined;
  /** Kind of partition table: `gpt`, `dos`; undefined: none. */
  readonly table: string | undefined;
}

/** blkid's exit statuses for "nothing found" and "several things found". */
const nothingFound = 2;
const ambivalent = 8;

const mostPartitions = 256;
/** What stands in the MBR for a whole GPT; sfdisk shows it only when that is unreadable. */
const protectiveType = 'ee';
/** Containers of logical partitions, not contents: MBR types, as sfdisk prints them. */
const extendedTypes = new Set(['5', 'f', '85']);

const partitionTable = z.object({
  partitiontable: z.object({
    sectorsize: z.int().min(512).max(65536).default(512),
    partitions: z
      .array(
        z.object({
          node: z.string(),
          start: z.int().nonnegative(),
          size: z.int().positive(),
          type: z.string(),
        }),
      )
      .max(mostPartitions)
      .default([]),
  }),
});

/** Looks for a signature in `extent` of the disk at `path`. */
export async function probe(path: string, extent: Extent, signal?: AbortSignal): Promise<Signature> {
  const range = ['--offset', String(extent.offset), '--size', String(extent.size)];
  let found = '';
  try {
    found = await runTool('blkid', ['--probe', '--output', 'export', ...range, path], {
      ...(signal && { cancelSignal: signal }),
    });
  } catch (error) {
    const status = toolExitStatus(error);
    if (status !== nothingFound && status !== ambivalent) throw error;
  }
  const value = (key: string) => new RegExp(`^${key}=([\\w.:-]+)$`, 'm').exec(found)?.[1];
  return { type: value('TYPE'), uuid: value('UUID')?.toLowerCase(), table: value('PTTYPE') };
}

/**
 * Reads a disk's partition table with sfdisk(8), in user space: no partition parser of the host's kernel is
 * needed, nor device nodes that appear later.
 *
 * @throws OuaError `DISK_DAMAGED` when a partition does not lie on the disk
 */
export async function partitions(path: string, size: number, signal?: AbortSignal): Promise<Extent[]> {
  const text = await runTool('sfdisk', ['--json', path], { ...(signal && { cancelSignal: signal }) });
  const { partitiontable } = partitionTable.parse(JSON.parse(text));
  const truncated = (what: string) =>
    new OuaError('DISK_DAMAGED', what, 'the image seems truncated: copy it again');
  if (partitiontable.partitions.some(({ type }) => type === protectiveType))
    throw truncated('the partition table (GPT) of the disk cannot be read');
  return partitiontable.partitions
    .filter(({ type }) => !extendedTypes.has(type))
    .map(({ node, start, size: sectors }) => {
      const partition = Number(/\d+$/.exec(node)?.[0]);
      const extent = {
        partition,
        offset: start * partitiontable.sectorsize,
        size: sectors * partitiontable.sectorsize,
      };
      if (extent.offset + extent.size > size)
        throw truncated(`partition ${partition} ends after the end of the disk`);
      return extent;
    });
}
