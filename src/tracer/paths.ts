import { posix } from 'node:path';

// latin1 maps each byte to one character and back: paths need not be UTF-8.
const text = (bytes: Buffer) => bytes.toString('latin1');
const bytes = (path: string) => Buffer.from(path, 'latin1');

/** `AT_FDCWD`, fcntl.h. */
export const atFdcwd = -100;

/** How an exec call names its program. */
export interface ProgramName {
  readonly path: Buffer;
  readonly directoryFd: number;
  /** What a relative path starts from, absolute; for an empty path: the program itself. */
  readonly base: Buffer;
  /** The tracee's root directory, absolute. */
  readonly root: Buffer;
}

/** The program's path from the top of the mount namespace, resolved by name alone. */
export function absolutePath({ path, base, root }: ProgramName): Buffer {
  const given = text(path);
  const full = given.startsWith('/') ? `${text(root)}/${given}` : `${text(base)}/${given}`;
  const normal = posix.normalize(full);
  return bytes(normal.length > 1 && normal.endsWith('/') && given === '' ? normal.slice(0, -1) : normal);
}

/** The program's path inside the tracee's root, `..` and links left for the kernel to resolve. */
export function pathInRoot({ path, base, root }: ProgramName): Buffer {
  const given = text(path);
  if (given.startsWith('/')) return path;
  const top = text(root) === '/' ? '' : text(root);
  const start = text(base);
  return bytes(`${start.startsWith(`${top}/`) ? start.slice(top.length) : '/'}/${given}`);
}

/** The name that the kernel puts into `AT_EXECFN`, fs/exec.c `alloc_bprm`. */
export function kernelName({ path, directoryFd }: ProgramName): Buffer {
  if (directoryFd === atFdcwd || path[0] === 0x2f) return path;
  const descriptor = Buffer.from(`/dev/fd/${directoryFd}`);
  return path.length === 0 ? descriptor : Buffer.concat([descriptor, Buffer.from('/'), path]);
}
