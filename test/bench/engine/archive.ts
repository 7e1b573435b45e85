import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ShadowFs } from '../../../src/shadow/fs/open.js';
import { GuestApt, indexArchive, movePackages } from '../../lab/archive.js';
import { cached, recipeHash, type Say } from '../../lab/cache.js';
import { findMirrors } from '../../lab/mirrors.js';

/** A local archive for the guest's apt. */
export interface Archive {
  readonly folder: string;
  /** Package → version, of everything in it. */
  readonly versions: Readonly<Record<string, string>>;
}

/**
 * An archive with what some packages need beyond what the guest has: real packages with their real scripts, fetched
 * once from the guest's own mirrors and kept, so that runs of different days do the same work.
 */
export async function ensureArchive(
  names: readonly string[],
  guest: string,
  shadow: ShadowFs,
  say: Say,
): Promise<Archive> {
  const folder = await cached('bench', recipeHash({ names, guest }), say, async (building) => {
    say(`downloading ${names.join(', ')} and what they need`);
    const scratch = join(building, 'scratch');
    await mkdir(scratch);
    const sources = join(shadow.root, 'etc/apt/sources.list.d/debian.sources');
    const apt = await GuestApt.open(shadow.root, scratch, sources, (await findMirrors()).aptOptions);
    await movePackages(await apt.downloadAll(names), building);
    await rm(scratch, { recursive: true });
    await indexArchive(building);
  });
  return { folder, versions: versionsIn(await readFile(join(folder, 'Packages'), 'utf8')) };
}

/** Reads a `Packages` index. */
export function versionsIn(index: string): Record<string, string> {
  const stanzas = index.split(/\n\n+/).filter((stanza) => stanza.trim() !== '');
  return Object.fromEntries(
    stanzas.map((stanza) => [
      /^Package: (\S+)$/m.exec(stanza)?.[1] ?? '',
      /^Version: (\S+)$/m.exec(stanza)?.[1] ?? '',
    ]),
  );
}
