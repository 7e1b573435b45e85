import { OuaError } from '../../base/errors.js';
import { runTool } from '../../base/command.js';
import { join } from 'node:path';
import { check, loadShim, ShimError } from '../../native/shim.js';

/**
 * Puts a part of a mounted file system at its place in the guest's tree. Both are found without following a link.
 *
 * @param source host path of the file system; `part` is within it, `at` within `root`
 * @throws OuaError `GUEST_INCONSISTENT` when either is not there
 */
export function attach(source: string, part: string, root: string, at: string): void {
  const relative = (path: string) => path.replace(/^\/+/, '') || '.';
  try {
    check(`mount ${at}`, loadShim().oua_attach_mount(source, relative(part), root, relative(at)));
  } catch (error) {
    if (!(error instanceof ShimError) || !['ENOENT', 'ENOTDIR', 'ELOOP'].includes(error.code)) throw error;
    throw new OuaError(
      'GUEST_INCONSISTENT',
      `the guest's mount point ${at} is not on its disk as its memory says (${error.code})`,
      'sync the guest before it is suspended',
      { cause: error },
    );
  }
}

/** The guest's own restrictions on a mount hold in the shadow too. `flags` as in `DiskMount`. */
export async function setFlags(root: string, at: string, flags: readonly string[]): Promise<void> {
  await runTool('mount', [
    '-i',
    '--no-canonicalize',
    '-o',
    ['remount', 'bind', 'nodev', ...flags].join(','),
    join(root, at),
  ]);
}
