import { parseStatus, presentPackages } from '../../../src/planner/package-managers/dpkg/status.js';

/** How many packages the upgrade is of. */
export const sixty = 60;

/** One package of an archive. */
interface ArchivePackage {
  readonly name: string;
  readonly source: string;
  readonly version: string;
}

/**
 * Chooses the packages to upgrade: the archive's source packages by their names, each with all that the archive has of
 * it, as long as they fit into `most`. Packages of one source depend on each other's exact version, so none is taken
 * without the others; one of which something is not installed, or has no later version, is left out.
 *
 * @param index the archive's `Packages`
 * @param status the guest's `/var/lib/dpkg/status`
 */
export function packagesToUpgrade(index: string, status: string, most = sixty): string[] {
  const installed = new Map(
    presentPackages(parseStatus(status)).map(({ name, version }) => [name, version] as const),
  );
  const sources = new Map<string, ArchivePackage[]>();
  for (const each of archivePackages(index))
    sources.set(each.source, [...(sources.get(each.source) ?? []), each]);
  const chosen: string[] = [];
  for (const [, packages] of [...sources].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const upgrades = packages.every(({ name, version }) => (installed.get(name) ?? version) !== version);
    if (upgrades && chosen.length + packages.length <= most) chosen.push(...packages.map(({ name }) => name));
  }
  return chosen;
}

function archivePackages(index: string): ArchivePackage[] {
  return index.split(/\n{2,}/).flatMap((stanza) => {
    const field = (name: string) => new RegExp(`^${name}: (\\S+)`, 'm').exec(stanza)?.[1];
    const name = field('Package');
    return name === undefined
      ? []
      : [{ name, source: field('Source') ?? name, version: field('Version') ?? '' }];
  });
}
