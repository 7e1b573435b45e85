import { join } from 'node:path';
import { indexArchive, movePackages, repackPackage, type GuestApt } from './archive.js';
import type { Say } from './cache.js';
import { localArchive, type ArchiveWish } from './recipe.js';
import { tool } from './tools.js';

/**
 * Fills the local archive of a guest's tree with all that its updates will need, and returns the packages that were
 * made for it. The caller takes the other archives away from the guest.
 */
export async function fillArchive(
  apt: GuestApt,
  tree: string,
  wish: ArchiveWish,
  say: Say,
): Promise<string[]> {
  const archive = join(tree, localArchive);
  const installed = await installedPackages(tree);
  const present = wish.packages.filter((name) => installed.has(name));
  const absent = wish.packages.filter((name) => !installed.has(name));
  say(`filling the archive with ${wish.packages.length} packages and what they need`);
  if (absent.length > 0) await movePackages(await apt.downloadAll(absent), archive);
  let repacked: string[] = [];
  if (wish.for === 'install')
    for (const name of present)
      await movePackages(join(await apt.download(name, installed.get(name)!.version), '..'), archive);
  else {
    await movePackages(await apt.downloadUpgrades(), archive);
    repacked = await repackOthers(apt, present, installed, archive, say);
  }
  await indexArchive(archive);
  return repacked;
}

/**
 * Makes a later version of those packages that Debian has no upgrade for, and of all that is installed from the same
 * source package: many of them depend on each other's exact version.
 */
async function repackOthers(
  apt: GuestApt,
  names: readonly string[],
  installed: ReadonlyMap<string, InstalledPackage>,
  archive: string,
  say: Say,
): Promise<string[]> {
  const sources = new Set<string>();
  for (const name of names) {
    const candidate = await apt.candidate(name);
    if (candidate?.installed === candidate?.candidate) sources.add(installed.get(name)!.source);
  }
  const together = [...installed].filter(([, { source }]) => sources.has(source)).map(([name]) => name);
  for (const name of together) {
    say(`making an upgrade of ${name}`);
    const deb = await apt.download(name, installed.get(name)!.version);
    await repackPackage(deb, archive, new Set(together));
  }
  return together;
}

interface InstalledPackage {
  readonly version: string;
  readonly source: string;
}

async function installedPackages(tree: string): Promise<Map<string, InstalledPackage>> {
  const format = '${Package} ${Version} ${source:Package} ${db:Status-Status}\\n';
  const lines = await tool('dpkg-query', [`--admindir=${tree}/var/lib/dpkg`, '-W', `-f=${format}`]);
  return new Map(
    lines
      .split('\n')
      .map((line) => line.split(' '))
      .filter(([, , , status]) => status === 'installed')
      .map(([name, version, source]) => [name!, { version: version!, source: source! }]),
  );
}
