import { OuaError } from '../../base/errors.js';
import { check, loadShim, ShimError } from '../../native/shim.js';

/** `MOUNT_ATTR_*` of mount_setattr(2). */
const attributes: Readonly<Record<string, number>> = { ro: 1, nosuid: 2, noexec: 8 };

/**
 * Puts a part of a mounted file system at its place in the guest's tree. Both are found without following a link.
 *
 * @param source host path of the file system; `part` is within it, `at` within `root`
 * @param flags the guest's own restrictions on the mount, which hold in the shadow too: as in `DiskMount`
 * @throws OuaError `GUEST_INCONSISTENT` when either is not there
 */
export function attach(
  source: string,
  part: string,
  root: string,
  at: string,
  flags: readonly string[],
): void {
  const relative = (path: string) => path.replace(/^\/+/, '') || '.';
  const added = flags.reduce((all, flag) => all | attributes[flag]!, 0);
  try {
    check(`mount ${at}`, loadShim().oua_attach_mount(source, relative(part), root, relative(at), added));
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
