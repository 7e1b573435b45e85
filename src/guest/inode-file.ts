import { OuaError } from '../base/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import { fileContent } from './file-content.js';
import { deviceNumber } from './files.js';
import type { FileKind, FileTime, GuestFile } from './guest-files.js';
import type { SuperBlock } from './super-blocks.js';
import { tmpfsXattrs } from './xattrs.js';

type Inode = StructView<'inode'>;

/** S_IFMT and its values, inode(7). */
const typeBits = 0o170000;
const kinds: Readonly<Record<number, FileKind>> = {
  0o010000: 'fifo',
  0o020000: 'char',
  0o040000: 'directory',
  0o060000: 'block',
  0o100000: 'file',
  0o120000: 'symlink',
  0o140000: 'socket',
};
/** PATH_MAX: longest target of a symbolic link, NUL included. */
const maxTarget = 4096n;
/** I_CTIME_QUERIED: a flag in the nanoseconds of i_ctime since 6.13. */
const nanosecondBits = 0x7fffffff;

/** Describes the file that an inode is. */
export function inodeFile(kernel: Kernel, inode: Inode, fileSystem: SuperBlock): GuestFile {
  const mode = inode.uint('i_mode');
  const kind = kinds[mode & typeBits];
  if (kind === undefined)
    throw inconsistent(`the inode at ${hex(inode.address)} has the mode 0${mode.toString(8)}`);
  return {
    kind,
    mode: mode & 0o7777,
    uid: inode.uint('i_uid'),
    gid: inode.uint('i_gid'),
    size: inode.u64('i_size'),
    links: inode.uint('i_nlink'),
    inode: inode.u64('i_ino'),
    device: fileSystem.device,
    fileSystem: fileSystem.type,
    accessed: time(inode, 'atime_sec', 'atime_nsec'),
    modified: time(inode, 'mtime_sec', 'mtime_nsec'),
    changed: time(inode, 'ctime_sec', 'ctime_nsec'),
    xattrs: fileSystem.shared ? tmpfsXattrs(kernel, inode) : fileSystem.memoryOnly ? [] : undefined,
    ...(kind === 'char' || kind === 'block' ? { node: deviceNumber(inode.uint('i_rdev')) } : {}),
    ...(kind === 'symlink' ? { target: linkTarget(kernel, inode, fileSystem) } : {}),
    ...(kind === 'directory' ? { complete: fileSystem.memoryOnly } : {}),
    ...(kind === 'file' ? { content: () => content(kernel, inode, fileSystem) } : {}),
  };
}

function time(
  inode: Inode,
  seconds: 'atime_sec' | 'mtime_sec' | 'ctime_sec',
  nanoseconds: 'atime_nsec' | 'mtime_nsec' | 'ctime_nsec',
): FileTime {
  const fraction = Number(inode.u64(nanoseconds) & BigInt(nanosecondBits));
  if (fraction >= 1_000_000_000)
    throw inconsistent(`the inode at ${hex(inode.address)} has a time with ${fraction} nanoseconds`);
  return { seconds: BigInt.asIntN(64, inode.u64(seconds)), nanoseconds: fraction };
}

/** Short targets are beside the inode, longer ones in the file's first page; undefined when that is not in memory. */
function linkTarget(kernel: Kernel, inode: Inode, fileSystem: SuperBlock): Buffer | undefined {
  const size = inode.u64('i_size');
  const beside = inode.pointer('i_link');
  if (beside !== 0n) {
    const target = Buffer.from(kernel.cstring(beside, Number(maxTarget)));
    // Some file systems leave a link's size at 0.
    if (size !== 0n && size !== BigInt(target.length))
      throw inconsistent(`the symbolic link with the inode at ${hex(inode.address)} is not of its length`);
    return target;
  }
  if (!fileSystem.pageCache || size === 0n) return undefined;
  if (size >= maxTarget)
    throw inconsistent(`the symbolic link with the inode at ${hex(inode.address)} has ${size} bytes`);
  const [piece] = fileContent(kernel, inode, fileSystem.memoryOnly).pieces();
  if (piece?.offset !== 0 || piece.bytes.length !== Number(size)) return undefined;
  if (piece.bytes.includes(0))
    throw inconsistent(`the symbolic link with the inode at ${hex(inode.address)} is not of its length`);
  return Buffer.from(piece.bytes);
}

function content(kernel: Kernel, inode: Inode, fileSystem: SuperBlock) {
  if (!fileSystem.pageCache)
    throw new OuaError(
      'NOT_IN_MEMORY',
      `files of a ${fileSystem.type} file system are not kept in the page cache`,
      'only files of tmpfs, ramfs and of file systems on a disk can be read from memory',
    );
  kernel.resetBudget();
  return fileContent(kernel, inode, fileSystem.memoryOnly);
}
