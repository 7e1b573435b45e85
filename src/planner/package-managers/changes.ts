import type { PackageChange } from '../../plan/model.js';

/** A package that is installed, in one version. */
export interface PackageVersion {
  readonly name: string;
  readonly architecture: string;
  readonly version: string;
}

/**
 * What changed from one state to another, by package name. A package that may be there in several versions at once has
 * all of them named, with commas.
 */
export function packageChanges(
  before: readonly PackageVersion[],
  after: readonly PackageVersion[],
): PackageChange[] {
  const [old, now] = [byPackage(before), byPackage(after)];
  return [...new Map([...old, ...now])]
    .map(([key, { name, architecture }]) => ({
      name,
      architecture,
      from: old.get(key)?.version,
      to: now.get(key)?.version,
    }))
    .filter(({ from, to }) => from !== to)
    .sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1));
}

const keyOf = ({ name, architecture }: Omit<PackageVersion, 'version'>) => `${name}:${architecture}`;

function byPackage(list: readonly PackageVersion[]): Map<string, PackageVersion> {
  const found = new Map<string, PackageVersion>();
  for (const each of list) {
    const known = found.get(keyOf(each));
    const version = known ? `${known.version}, ${each.version}` : each.version;
    found.set(keyOf(each), { ...each, version });
  }
  return found;
}
