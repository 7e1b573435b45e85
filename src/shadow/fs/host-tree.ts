import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  type BigIntStats,
} from 'node:fs';
import { OuaError } from '../../base/errors.js';
import { directoriesAbove } from '../../base/paths.js';
import { check, loadShim, ShimError } from '../../native/shim.js';
import { joinPath, type LayerPath } from './layer.js';
import { limitInWords } from './limit.js';

const pieceSize = 1 << 20;
const xattrListSize = 64 << 10;
const xattrValueSize = 64 << 10;

/** What overlayfs keeps for itself is no attribute of the guest's files. */
const ownAttributes = 'trusted.overlay.';

/**
 * Reads a tree that a guest wrote, on the host. No symbolic link is ever followed: a path counts as there
 * only when each directory above it is a real one. The tree must stand still meanwhile.
 */
export class HostTree {
  readonly #top: Buffer;
  readonly #directories = new Set<LayerPath>();

  constructor(top: string) {
    this.#top = Buffer.from(`${top}/`);
  }

  /** Forgets what it knows about directories; needed whenever the tree may have changed. */
  refresh(): void {
    this.#directories.clear();
  }

  hostPath(path: LayerPath): Buffer {
    return Buffer.concat([this.#top, Buffer.from(path, 'latin1')]);
  }

  /** lstat(2); undefined: nothing is there. */
  lstat(path: LayerPath): BigIntStats | undefined {
    for (const directory of directoriesAbove(path)) {
      if (this.#directories.has(directory)) continue;
      if (!lstat(this.hostPath(directory))?.isDirectory()) return undefined;
      this.#directories.add(directory);
    }
    return lstat(this.hostPath(path));
  }

  /** Names in a directory that `lstat` has found. */
  names(path: LayerPath): string[] {
    return readdirSync(this.hostPath(path), 'buffer').map((name) => name.toString('latin1'));
  }

  /** Everything below a directory, itself left out, directories before their contents. */
  *walk(directory: LayerPath): Generator<LayerPath> {
    for (const entry of readdirSync(this.hostPath(directory), { encoding: 'buffer', withFileTypes: true })) {
      const path = joinPath(directory, entry.name.toString('latin1'));
      yield path;
      if (entry.isDirectory()) yield* this.walk(path);
    }
  }

  readlink(path: LayerPath): Buffer {
    return readlinkSync(this.hostPath(path), 'buffer');
  }

  /** Extended attributes by name, overlayfs's own left out. */
  xattrs(path: LayerPath): (readonly [name: string, value: Buffer])[] {
    const shim = loadShim();
    const file = Buffer.concat([this.hostPath(path), Buffer.alloc(1)]);
    const length = shim.oua_list_xattrs(file, xattrNames, xattrListSize);
    if (length === 0 || notSupported(length)) return [];
    check('llistxattr', length);
    return xattrNames
      .toString('latin1', 0, length - 1)
      .split('\0')
      .filter((name) => !name.startsWith(ownAttributes))
      .sort()
      .map((name) => {
        const size = check(`lgetxattr ${name}`, shim.oua_get_xattr(file, name, xattrValue, xattrValueSize));
        return [name, Buffer.from(xattrValue.subarray(0, size))] as const;
      });
  }

  /** One attribute's value as text, '' when it is not there. */
  xattr(path: LayerPath, name: string): string {
    const file = Buffer.concat([this.hostPath(path), Buffer.alloc(1)]);
    const size = loadShim().oua_get_xattr(file, name, xattrValue, xattrValueSize);
    return size < 0 ? '' : xattrValue.toString('latin1', 0, size);
  }

  /** SHA-256 of a regular file, in hex. */
  hash(path: LayerPath, limit: number): string {
    const hash = createHash('sha256');
    for (const piece of readPieces(this.hostPath(path), limit)) hash.update(piece);
    return hash.digest('hex');
  }
}

// Reused: a plan reads tens of thousands of attributes.
const xattrNames = Buffer.alloc(xattrListSize);
const xattrValue = Buffer.alloc(xattrValueSize);

function notSupported(result: number): boolean {
  return result < 0 && new ShimError('llistxattr', -result).code === 'ENOTSUP';
}

function lstat(path: Buffer): BigIntStats | undefined {
  return lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/**
 * A regular file's bytes in pieces that are valid until the next one; at most one piece is in memory.
 *
 * @throws OuaError `DISK_FULL` for a file longer than `limit` bytes: only a sparse one can be, and reading it could take forever
 */
export function* readPieces(path: Buffer, limit: number): Generator<Buffer> {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const { size } = fstatSync(fd);
    if (size > limit)
      throw new OuaError(
        'DISK_FULL',
        `the update made the file ${JSON.stringify(path.toString())} of ${size} bytes, beyond the limit of ${limit}`,
        `${limitInWords}: free space, set TMPDIR elsewhere, or plan without what makes the file`,
      );
    const piece = Buffer.allocUnsafe(Math.min(pieceSize, Math.max(size, 1)));
    for (let length; (length = readSync(fd, piece)) > 0;) yield piece.subarray(0, length);
  } finally {
    closeSync(fd);
  }
}
