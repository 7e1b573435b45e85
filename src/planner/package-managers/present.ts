import { OuaError } from '../../base/errors.js';
import { dpkg } from './dpkg/dpkg.js';
import type { PackageManager } from './package-manager.js';
import { rpm } from './rpm/rpm.js';

const packageManagers: readonly PackageManager[] = [dpkg, rpm];

/**
 * The package managers that a guest has packages of.
 *
 * @param root host path of the guest's `/`
 * @throws OuaError `GUEST_UNSUPPORTED` when there is none
 */
export function presentPackageManagers(root: string): readonly PackageManager[] {
  const present = packageManagers.filter((each) => each.isIn(root));
  if (present.length > 0) return present;
  const names = packageManagers.map(({ name }) => name).join(' or ');
  throw new OuaError(
    'GUEST_UNSUPPORTED',
    `the guest has no packages of ${names}`,
    `only guests with ${names} are supported`,
  );
}
