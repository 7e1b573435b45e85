import { closeSync, constants, ftruncateSync, openSync, writeSync } from 'node:fs';
import { errnoOf, OuaError } from '../../base/errors.js';
import type { FileContent, FileKind, GuestFile, TreeEntry } from '../../guest/guest-files.js';
import { check, errnoName, loadShim, ShimError } from '../../native/shim.js';

/** What may still be copied; shared by all copies of one guest, and counted down. */
export interface CopyRoom {
  /** Bytes of content in whole pages, as a tmpfs counts them. Holes do not count. */
  bytes: number;
  /** Names. */
  names: number;
}

/** Called with what could not be copied as it was in the guest, and why. */
export type LeaveOut = (names: readonly Buffer[], reason: string) => void;

/** PATH_MAX, with the NUL. */
const maxPath = 4096;
const pageSize = 4096;
const noName = Buffer.from('.\0');
const { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFREG, S_IFSOCK } = constants;
const types: Readonly<Record<Exclude<FileKind, 'symlink'>, number>> = {
  file: S_IFREG,
  directory: S_IFDIR,
  fifo: S_IFIFO,
  socket: S_IFSOCK,
  char: S_IFCHR,
  block: S_IFBLK,
};

/**
 * Copies files of the guest's memory into an empty directory of ours, each with its owner, mode, times, attributes
 * and hard links. A file of which a byte is not in memory is left out, or one that is larger than the room that is
 * left, and so is what follows a contradiction.
 *
 * @param top host path of the directory, which nobody else reaches meanwhile
 * @param entries a tree: directories before what is in them
 * @throws OuaError `GUEST_UNSUPPORTED` when there are more names than `room` for, or the directory's file system is full
 */
export function copyTree(
  top: string,
  entries: Iterable<TreeEntry>,
  room: CopyRoom,
  leaveOut: LeaveOut,
): void {
  const root = openSync(top, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  try {
    const copy = new Copy(root, room, leaveOut);
    for (const entry of untilContradiction(entries, leaveOut)) copy.add(entry);
    copy.finish();
  } catch (error) {
    if (errnoOf(error) === 'ENOSPC' || (error instanceof ShimError && error.code === 'ENOSPC'))
      throw tooMuch(error);
    throw error;
  } finally {
    closeSync(root);
  }
}

/** The walk reads the guest's structures; what it refuses is no failure of the copy. */
function* untilContradiction(entries: Iterable<TreeEntry>, leaveOut: LeaveOut): Generator<TreeEntry> {
  const iterator = entries[Symbol.iterator]();
  for (;;) {
    let next: IteratorResult<TreeEntry>;
    try {
      next = iterator.next();
    } catch (error) {
      if (!(error instanceof OuaError)) throw error;
      leaveOut([], `not read to its end: ${error.message}`);
      return;
    }
    if (next.done) return;
    yield next.value;
  }
}

class Copy {
  readonly #shim = loadShim();
  readonly #root: number;
  readonly #room: CopyRoom;
  readonly #leaveOut: LeaveOut;
  /** Each change in a directory changes its time, and its default access list what is made in it: they come last. */
  readonly #directories: {
    readonly names: readonly Buffer[];
    readonly path: Buffer;
    readonly file: GuestFile;
  }[] = [];
  #attributesTold = false;
  /** Where a file with several names was put. */
  readonly #linked = new Map<string, Buffer>();

  constructor(root: number, room: CopyRoom, leaveOut: LeaveOut) {
    this.#root = root;
    this.#room = room;
    this.#leaveOut = leaveOut;
  }

  add({ names, file }: TreeEntry): void {
    if (!file) return;
    if (--this.#room.names < 0) throw tooMuch();
    const path = pathOf(names);
    if (path.length > maxPath) return this.#leaveOut(names, 'its path is too long');
    if (file.kind === 'directory') {
      if (names.length > 0) this.#make(path, file);
      this.#directories.push({ names, path, file });
      return;
    }
    // tmpfs may give an inode number of 32 bits twice: two files with one time of change, too, are one.
    const key = `${file.inode} ${file.changed.seconds} ${file.changed.nanoseconds}`;
    const twin = file.links > 1 ? this.#linked.get(key) : undefined;
    if (twin) {
      check('link', this.#shim.oua_tree_link(this.#root, twin, path));
      return;
    }
    if (!this.#put(names, path, file)) return;
    this.#setAttributes(names, path, file);
    if (file.links > 1) this.#linked.set(key, path);
  }

  finish(): void {
    for (const { names, path, file } of this.#directories.reverse()) this.#setAttributes(names, path, file);
  }

  /** Whether it could be made. */
  #put(names: readonly Buffer[], path: Buffer, file: GuestFile): boolean {
    if (file.kind === 'symlink') {
      if (!file.target) {
        this.#leaveOut(names, 'where it leads is not in memory');
        return false;
      }
      check('symlink', this.#shim.oua_tree_symlink(this.#root, path, terminated(file.target)));
      return true;
    }
    const content = file.content && this.#content(names, file.content);
    if (file.content && !content) return false;
    this.#make(path, file);
    if (content) this.#write(path, content);
    return true;
  }

  /** Undefined when not all of it is in memory. */
  #content(names: readonly Buffer[], read: () => FileContent): FileContent | undefined {
    try {
      const content = read();
      const [first] = content.absent;
      if (!first && this.#hasRoom(content)) return content;
      this.#leaveOut(names, first?.reason ?? 'too large');
    } catch (error) {
      if (!(error instanceof OuaError)) throw error;
      this.#leaveOut(names, error.message);
    }
    return undefined;
  }

  #hasRoom(content: FileContent): boolean {
    if (inPages(content.size) <= this.#room.bytes) return true;
    // Most of it may be holes.
    let bytes = 0;
    for (const piece of content.pieces())
      if ((bytes += inPages(piece.bytes.length)) > this.#room.bytes) return false;
    return true;
  }

  #make(path: Buffer, { kind, node }: GuestFile): void {
    const type = types[kind as keyof typeof types];
    const { major, minor } = node ?? { major: 0, minor: 0 };
    check('make a file', this.#shim.oua_tree_make(this.#root, path, type, major, minor));
  }

  #write(path: Buffer, content: FileContent): void {
    const fd = check('open', this.#shim.oua_tree_open(this.#root, path));
    try {
      ftruncateSync(fd, content.size);
      for (const { offset, bytes } of content.pieces()) {
        this.#room.bytes -= inPages(bytes.length);
        for (let done = 0; done < bytes.length;)
          done += writeSync(fd, bytes, done, bytes.length - done, offset + done);
      }
    } finally {
      closeSync(fd);
    }
  }

  #setAttributes(names: readonly Buffer[], path: Buffer, file: GuestFile): void {
    const { uid, gid, mode, accessed, modified } = file;
    // A uid is a 32-bit pattern to the shim.
    check('chown', this.#shim.oua_tree_set_owner(this.#root, path, uid | 0, gid | 0, mode));
    if (!file.xattrs && !this.#attributesTold) {
      // Then they are not known of any file: once is enough.
      this.#attributesTold = true;
      this.#leaveOut(names, 'its extended attributes, and those of other files, are not known');
    }
    for (const [name, value] of file.xattrs ?? []) {
      const result = this.#shim.oua_tree_set_xattr(this.#root, path, name, value, value.length);
      if (result < 0)
        this.#leaveOut(names, `this host does not take its attribute ${name}: ${errnoName(-result)}`);
    }
    check(
      'set times',
      this.#shim.oua_tree_set_times(
        this.#root,
        path,
        accessed.seconds,
        accessed.nanoseconds,
        modified.seconds,
        modified.nanoseconds,
      ),
    );
  }
}

function inPages(bytes: number): number {
  return Math.ceil(bytes / pageSize) * pageSize;
}

function pathOf(names: readonly Buffer[]): Buffer {
  if (names.length === 0) return noName;
  return terminated(Buffer.concat(names.flatMap((name, index) => (index ? [slash, name] : [name]))));
}

const slash = Buffer.from('/');

function terminated(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

function tooMuch(cause?: unknown): OuaError {
  return new OuaError(
    'GUEST_UNSUPPORTED',
    'the guest keeps more files in memory (/run, /tmp and other tmpfs mounts) than can be copied',
    'empty its /tmp before it is suspended',
    { cause },
  );
}
