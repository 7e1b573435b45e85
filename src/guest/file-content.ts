import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import { cachedRuns } from '../kernel/page-cache.js';
import type { StructView } from '../kernel/struct-view.js';
import type { AbsentRange, FileContent, FilePiece } from './guest-files.js';

/** Ranges that are told apart; a damaged file could have one for every second page. */
const maxRanges = 1000;
/** Bytes that one piece has at most. */
const maxPiece = 256 * 1024;

/** Bytes of a file that one answer is true of: `physical` says where they are, `absent` why they are nowhere. */
interface Segment {
  readonly start: number;
  readonly end: number;
  readonly physical?: number;
  readonly absent?: AbsentRange['reason'];
}

/**
 * What a regular file or symbolic link of `size` bytes holds, through its page cache.
 *
 * @param memoryOnly whether the file system has no other place for it, as tmpfs: what was never written has no page
 *   there and is zeros, and so is what was only reserved (a page that is not up to date, fallocate(2)).
 */
export function fileContent(kernel: Kernel, inode: StructView<'inode'>, memoryOnly: boolean): FileContent {
  const size = contentSize(inode);
  const mapping = inode.pointer('i_mapping');
  const absent: { start: number; end: number; reason: AbsentRange['reason'] }[] = [];
  for (const { start, end, absent: reason } of segments(kernel, mapping, size, memoryOnly)) {
    if (reason === undefined) continue;
    const last = absent.at(-1);
    if (last && ((last.end === start && last.reason === reason) || absent.length === maxRanges))
      last.end = end;
    else absent.push({ start, end, reason });
  }
  const last = absent.at(-1);
  if (last && absent.length === maxRanges) last.end = size;
  return { size, absent, pieces: () => pieces(kernel, segments(kernel, mapping, size, memoryOnly)) };
}

/** i_size, which the kernel keeps below 2^63. @throws OuaError `GUEST_INCONSISTENT` for what no file system allows */
function contentSize(inode: StructView<'inode'>): number {
  const size = inode.u64('i_size');
  if (size > BigInt(Number.MAX_SAFE_INTEGER))
    throw inconsistent(`the file with the inode at ${hex(inode.address)} has ${size} bytes`);
  return Number(size);
}

function* pieces(kernel: Kernel, parts: Iterable<Segment>): Generator<FilePiece> {
  for (const { start, end, physical } of parts) {
    if (physical === undefined) continue;
    for (let offset = start; offset < end; offset += maxPiece) {
      const length = Math.min(maxPiece, end - offset);
      yield { offset, bytes: kernel.memory.read(physical + (offset - start), length) };
    }
  }
}

/** The file from its first byte to its last. What is beyond its end, such as reserved pages, is left out. */
function* segments(kernel: Kernel, mapping: bigint, size: number, memoryOnly: boolean): Generator<Segment> {
  const { pageSize } = kernel;
  let done = 0;
  const missing = (end: number): Segment => ({
    start: done,
    end,
    ...(memoryOnly ? {} : { absent: 'not cached' as const }),
  });
  for (const run of size > 0 ? cachedRuns(kernel, mapping) : []) {
    const start = run.index * pageSize;
    if (start >= size) break;
    if (start > done) yield missing(start);
    const end = Math.min(size, start + run.count * pageSize);
    const pages = run.kind === 'pages' ? run : undefined;
    if (pages?.upToDate) yield { start, end, physical: pages.physical };
    else if (!memoryOnly) yield { start, end, absent: pages ? 'not read from the disk yet' : 'not cached' };
    else yield { start, end, ...(pages ? {} : { absent: 'swapped out' as const }) };
    done = end;
  }
  if (done < size) yield missing(size);
}
