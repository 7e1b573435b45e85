import type { BigIntStats } from 'node:fs';
import type { ContentId, FileState, FileType, Precondition, Timestamp } from '../../plan/model.js';
import type { HostTree } from './host-tree.js';
import type { LayerPath } from './layer.js';

/** An inode of the guest: what it is, and all the names that it has. */
export interface Inode {
  readonly stat: BigIntStats;
  readonly type: FileType;
  readonly xattrs: FileState['xattrs'];
  readonly target: Buffer | undefined;
  readonly names: Set<LayerPath>;
  /** Regular files: the bytes' hash, computed when it is first asked for. */
  content(): ContentId;
}

const types: readonly (readonly [(stat: BigIntStats) => boolean, FileType])[] = [
  [(stat) => stat.isFile(), 'file'],
  [(stat) => stat.isDirectory(), 'directory'],
  [(stat) => stat.isSymbolicLink(), 'symlink'],
  [(stat) => stat.isFIFO(), 'fifo'],
  [(stat) => stat.isSocket(), 'socket'],
  [(stat) => stat.isCharacterDevice(), 'char'],
  [(stat) => stat.isBlockDevice(), 'block'],
];

/** What kind of file an inode is: stat(2), `S_IFMT`. */
export const fileType = (stat: BigIntStats): FileType => types.find(([is]) => is(stat))![1];

/**
 * Reads everything about the inode at `path` but its bytes.
 *
 * @param hash of a regular file, when it is known
 */
export function readInode(
  tree: HostTree,
  path: LayerPath,
  stat: BigIntStats,
  limit: number,
  hash?: ContentId,
): Inode {
  const type = fileType(stat);
  let content = hash;
  return {
    stat,
    type,
    xattrs: tree.xattrs(path),
    target: type === 'symlink' ? tree.readlink(path) : undefined,
    names: new Set([path]),
    content: () => (content ??= tree.hash(path, limit)),
  };
}

/**
 * Whether two inodes are the same to a user. A directory's time changes with each entry: only one that was set
 * to the past, before `start` (nanoseconds since the epoch), counts.
 */
export function sameInode(a: Inode, b: Inode, start: bigint): boolean {
  const [x, y] = [a.stat, b.stat];
  const sameTime = x.mtimeNs === y.mtimeNs || (a.type === 'directory' && y.mtimeNs >= start);
  return (
    x.mode === y.mode &&
    x.uid === y.uid &&
    x.gid === y.gid &&
    sameTime &&
    (a.type !== 'file' || x.size === y.size) &&
    ((a.type !== 'char' && a.type !== 'block') || x.rdev === y.rdev) &&
    (a.target === undefined || b.target === undefined || a.target.equals(b.target)) &&
    sameXattrs(a.xattrs, b.xattrs) &&
    (a.type !== 'file' || a.content() === b.content())
  );
}

function sameXattrs(a: Inode['xattrs'], b: Inode['xattrs']): boolean {
  return (
    a.length === b.length &&
    a.every(([name, value], index) => name === b[index]![0] && value.equals(b[index]![1]))
  );
}

/** As a plan has it. Times from `start` (nanoseconds since the epoch) on are those of the emulation: now. */
export function fileState(inode: Inode, start: bigint): FileState {
  const { stat, type } = inode;
  return {
    type,
    ...ownership(stat),
    mtime: timestamp(stat.mtimeNs, start),
    xattrs: inode.xattrs,
    ...(type === 'file' && { content: inode.content(), size: Number(stat.size) }),
    ...(inode.target && { target: inode.target }),
    ...((type === 'char' || type === 'block') && { device: device(stat.rdev) }),
  };
}

/** What a plan that changes this inode relies on. */
export function precondition(inode: Inode): Precondition {
  return {
    type: inode.type,
    ...ownership(inode.stat),
    ...(inode.type === 'file' && { content: inode.content(), size: Number(inode.stat.size) }),
    ...(inode.target && { target: inode.target }),
  };
}

function ownership(stat: BigIntStats) {
  return { mode: Number(stat.mode & 0o7777n), uid: Number(stat.uid), gid: Number(stat.gid) };
}

function timestamp(nanoseconds: bigint, start: bigint): Timestamp {
  if (nanoseconds >= start) return 'now';
  const second = 1_000_000_000n;
  const rest = ((nanoseconds % second) + second) % second;
  return { seconds: Number((nanoseconds - rest) / second), nanoseconds: Number(rest) };
}

/** makedev(3) as glibc packs it. */
function device(rdev: bigint): { major: number; minor: number } {
  return {
    major: Number(((rdev >> 8n) & 0xfffn) | ((rdev >> 32n) & 0xfffff000n)),
    minor: Number((rdev & 0xffn) | ((rdev >> 12n) & 0xffffff00n)),
  };
}
