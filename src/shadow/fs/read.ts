import { closeSync, fstatSync, readdirSync, readlinkSync, readSync, realpathSync } from 'node:fs';
import { OuaError } from '../../base/errors.js';
import { check, loadShim, ShimError } from '../../native/shim.js';

/** What openat2(2) says of a path that leads nowhere. */
const absent = new Set(['ENOENT', 'ENOTDIR', 'ELOOP']);

/**
 * Opens a file of the guest for reading, as the guest itself would find it: symbolic links, absolute ones too,
 * are resolved below `root` and nowhere else. Returns a descriptor of ours, or undefined when nothing is there.
 */
export function openInShadow(root: string, path: string): number | undefined {
  return open(root, path, false);
}

function open(root: string, path: string, onlyKnown: boolean): number | undefined {
  const descriptor = loadShim().oua_open_in_root(root, path, Number(onlyKnown));
  if (descriptor < 0 && absent.has(new ShimError(path, -descriptor).code)) return undefined;
  return check(`open ${path} in the guest's tree`, descriptor);
}

/** What `use` makes of a file of the guest while it is open, as {@link openInShadow}; undefined when nothing is there. */
export function useInShadow<T>(root: string, path: string, use: (descriptor: number) => T): T | undefined {
  return closed(openInShadow(root, path), use);
}

function closed<T>(descriptor: number | undefined, use: (descriptor: number) => T): T | undefined {
  if (descriptor === undefined) return undefined;
  try {
    return use(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The path of the guest without symbolic links; undefined when nothing is there. */
export function resolveInShadow(root: string, path: string): Buffer | undefined {
  return closed(open(root, path, true), (descriptor) =>
    readlinkSync(`/proc/self/fd/${descriptor}`, 'buffer').subarray(Buffer.byteLength(realpathSync(root))),
  );
}

/**
 * Reads a regular file of the guest whole; undefined when there is none.
 *
 * @param limit bytes
 * @throws OuaError `GUEST_UNSUPPORTED` when it is no regular file or longer than `limit`
 */
export function readInShadow(root: string, path: string, limit: number): Buffer | undefined {
  return useInShadow(root, path, (descriptor) => {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size > limit)
      throw new OuaError(
        'GUEST_UNSUPPORTED',
        `the guest's ${path} is ${status.isFile() ? `longer than ${limit} bytes` : 'no regular file'}`,
        'repair it in the guest',
      );
    return readBytes(descriptor, Buffer.alloc(status.size));
  });
}

/** Fills a buffer with the bytes of an open file from its begin on; returns as much of it as the file had bytes for. */
export function readBytes(descriptor: number, bytes: Buffer): Buffer {
  let filled = 0;
  for (let read; (read = readSync(descriptor, bytes, filled, bytes.length - filled, filled)) > 0;)
    filled += read;
  return bytes.subarray(0, filled);
}

/** Names in a directory of the guest; none when there is no such directory. */
export function namesInShadow(root: string, path: string): string[] {
  const names = useInShadow(root, path, (descriptor) =>
    fstatSync(descriptor).isDirectory() ? readdirSync(`/proc/self/fd/${descriptor}`) : [],
  );
  return names ?? [];
}
