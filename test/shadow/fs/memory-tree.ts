import type {
  FileContent,
  FileKind,
  GuestFile,
  GuestFiles,
  TreeEntry,
} from '../../../src/guest/guest-files.js';
import { OuaError } from '../../../src/base/errors.js';

let inodes = 1000n;

/** A file of a guest's memory, of root's and of 2001, unless it is told otherwise. */
export function guestFile(kind: FileKind, more: Partial<GuestFile> = {}): GuestFile {
  const time = { seconds: 1_000_000_000n, nanoseconds: 7 };
  return {
    kind,
    mode: kind === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    size: 0n,
    links: 1,
    inode: ++inodes,
    device: { major: 0, minor: 23 },
    fileSystem: 'tmpfs',
    accessed: time,
    modified: time,
    changed: time,
    xattrs: [],
    ...more,
  };
}

/** A regular file with these bytes. */
export function textFile(text: string, more: Partial<GuestFile> = {}): GuestFile {
  const bytes = Buffer.from(text);
  const content: FileContent = {
    size: bytes.length,
    absent: [],
    pieces: () => [{ offset: 0, bytes }],
  };
  return guestFile('file', { size: BigInt(bytes.length), content: () => content, ...more });
}

/** Entries by their paths below a top directory; parents must come first. */
export function treeOf(
  files: Readonly<Record<string, GuestFile | undefined>>,
  top = guestFile('directory'),
): TreeEntry[] {
  return [
    { names: [], file: top },
    ...Object.entries(files).map(([path, file]) => ({
      names: path.split('/').map((name) => Buffer.from(name, 'latin1')),
      file,
    })),
  ];
}

/** A guest's files that are only these trees, by the minor number of their device. */
export function filesOf(trees: Readonly<Record<number, Iterable<TreeEntry>>>): GuestFiles {
  return {
    find: (path) => {
      throw new OuaError('NO_SUCH_FILE', path, 'it is not needed here');
    },
    tree: () => [],
    memoryTree: ({ minor }) => trees[minor],
  };
}
