import { readInShadow } from '../../../shadow/fs/read.js';
import type { PackageVersion } from '../changes.js';

/** The longest list of Debian's archive has some ten MiB. */
const maximumList = 64 << 20;

/**
 * The packages of files, by path (latin1) as `/var/lib/dpkg/info/*.list` in the shadow has it. What several packages
 * have, as most directories, is none's.
 */
export function installedFiles(
  root: string,
  packages: readonly PackageVersion[],
): ReadonlyMap<string, string | undefined> {
  const owners = new Map<string, string | undefined>();
  for (const { name, architecture } of packages) {
    const list =
      readInShadow(root, `/var/lib/dpkg/info/${name}.list`, maximumList) ??
      readInShadow(root, `/var/lib/dpkg/info/${name}:${architecture}.list`, maximumList);
    for (const path of list?.toString('latin1').split('\n') ?? [])
      owners.set(path, owners.has(path) && owners.get(path) !== name ? undefined : name);
  }
  return owners;
}
