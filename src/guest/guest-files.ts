import type { DeviceNumber } from './guest.js';

/** Seconds and nanoseconds (0 to 999,999,999) since the epoch. */
export interface FileTime {
  readonly seconds: bigint;
  readonly nanoseconds: number;
}

export type FileKind = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block';

/** A file of the guest as its kernel had it in memory: what stat(2) would have told, and more. */
export interface GuestFile {
  readonly kind: FileKind;
  /** Permission bits with setuid, setgid and sticky: 07777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes. */
  readonly size: bigint;
  readonly links: number;
  readonly inode: bigint;
  /** Of the file system that it is on. */
  readonly device: DeviceNumber;
  /** Type of the file system, e.g. `tmpfs`. */
  readonly fileSystem: string;
  readonly accessed: FileTime;
  readonly modified: FileTime;
  readonly changed: FileTime;
  /** Device nodes only. */
  readonly node?: DeviceNumber;
  /** Symbolic links only: where it leads, or undefined when that is not in memory. */
  readonly target?: Buffer | undefined;
  /**
   * Extended attributes by their full names, POSIX ACLs as `system.posix_acl_*` in the form of getxattr(2); sorted.
   * Undefined when memory does not have them all: only tmpfs and ramfs keep them there.
   */
  readonly xattrs: readonly (readonly [name: string, value: Buffer])[] | undefined;
  /** Directories only: whether memory has all names in it. A disk's file system has there what was looked up. */
  readonly complete?: boolean;
  /**
   * Regular files only: what they hold. Read when it is called.
   * @throws OuaError `GUEST_INCONSISTENT`, `KERNEL_UNSUPPORTED`, or `NOT_IN_MEMORY` for a file system that does not keep
   *   its files' bytes in the page cache (`/proc`, `/sys`)
   */
  readonly content?: () => FileContent;
}

/** What memory has of a file's bytes. */
export interface FileContent {
  /** Bytes. */
  readonly size: number;
  /** What is not in memory, ascending. Empty when all is. After many ranges the last one reaches to the end. */
  readonly absent: readonly AbsentRange[];
  /** The bytes that are in memory, ascending; buffers are to be read at once. All other bytes that are not absent are 0. */
  pieces(): Iterable<FilePiece>;
}

/** Bytes start <= b < end of a file. */
export interface AbsentRange {
  readonly start: number;
  readonly end: number;
  readonly reason: 'swapped out' | 'not cached' | 'not read from the disk yet';
}

export interface FilePiece {
  readonly offset: number;
  readonly bytes: Buffer;
}

/** One name in a tree. */
export interface TreeEntry {
  /** Names from the tree's top to it; empty for the top itself. None is empty, `.`, `..` or contains a `/`. */
  readonly names: readonly Buffer[];
  /** Undefined for a name that the guest has looked up and that does not exist. */
  readonly file: GuestFile | undefined;
}

/**
 * The guest's files, as far as its memory has them: all of tmpfs and ramfs, and of other file systems what the
 * kernel has cached.
 *
 * All methods throw OuaError `GUEST_INCONSISTENT` when structures contradict themselves, and `KERNEL_UNSUPPORTED`.
 */
export interface GuestFiles {
  /**
   * What is at an absolute path as init sees it, mounts and symbolic links followed.
   * @throws OuaError `NO_SUCH_FILE` when the guest has none, `NOT_IN_MEMORY` when memory does not tell
   */
  find(path: string): GuestFile;
  /**
   * All that is below an absolute path as init sees it, itself first: directories before what is in them, names in
   * the order of their bytes, with what is mounted there. Throws as {@link find} at once, and while it is walked.
   */
  tree(path: string): Iterable<TreeEntry>;
  /**
   * All of one tmpfs or ramfs from its own root, whatever is mounted in it; undefined when init sees no such mount.
   */
  memoryTree(device: DeviceNumber): Iterable<TreeEntry> | undefined;
}
