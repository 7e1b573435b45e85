/** Mounts and loop devices of the host's that are ours. */
import { closeSync } from 'node:fs';
import { OuaError } from '../base/errors.js';
import { check, loadShim, ShimError } from './shim.js';

/** Options that are no file system's own: `MS_*` of mount(2). */
const flags: Readonly<Record<string, number>> = { ro: 1, nosuid: 2, nodev: 4, noexec: 8 };

/**
 * Mounts a file system of ours. What a guest wrote is left to mount(8): the kernel may take long over it.
 *
 * @param source what the type takes for one: a block device, or any name
 * @param options as mount(8) takes them, in parts
 * @throws OuaError `HOST_FAILED`
 */
export function mount(type: string, source: string, at: string, options: readonly string[]): void {
  const set = options.reduce((all, option) => all | (flags[option] ?? 0), 0);
  const data = options.filter((option) => flags[option] === undefined).join(',');
  orHostFailed(`mount ${type} at ${at}`, () => loadShim().oua_mount(source, at, type, set, data));
}

/**
 * Unmounts `paths`, one after the other, and all that is mounted below them. A mount that is still in use goes out of
 * sight at once and ends with its last user (umount2(2), `MNT_DETACH`).
 *
 * @throws OuaError `HOST_FAILED`
 */
export function unmount(...paths: readonly string[]): void {
  for (const path of paths) orHostFailed(`unmount ${path}`, () => loadShim().oua_unmount(path));
}

/** A part of a file as a block device. Disposing of it lets it go with its last user, such as a mount. */
export interface LoopDevice extends Disposable {
  readonly path: string;
}

/** Bytes; `/dev/loop` and a number of 20 bits. */
const pathSize = 32;

/**
 * Makes a loop device, loop(4), of a part of a file. It can be written to.
 *
 * @param part in bytes
 * @throws OuaError `HOST_FAILED`
 */
export function attachLoop(
  file: string,
  { offset, size }: { readonly offset: number; readonly size: number },
): LoopDevice {
  const path = Buffer.alloc(pathSize);
  const descriptor = orHostFailed(`make a loop device of ${file}`, () =>
    loadShim().oua_attach_loop(file, offset, size, path, path.length),
  );
  return {
    path: path.toString('latin1', 0, path.indexOf(0)),
    [Symbol.dispose]: () => closeSync(descriptor),
  };
}

function orHostFailed(what: string, call: () => number): number {
  try {
    return check(what, call());
  } catch (error) {
    if (!(error instanceof ShimError)) throw error;
    throw new OuaError('HOST_FAILED', `cannot ${error.message}`, 'run `ouassister doctor`', { cause: error });
  }
}
