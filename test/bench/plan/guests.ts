import type { LabGuest } from '../../lab/lab.js';
import { localArchive } from '../../lab/recipe.js';
import { suspendedGuest } from '../../lab/suspended.js';
import { corpus } from '../../oracle/corpus.js';
import { oracleGuest } from '../../oracle/guests.js';
import type { GuestKind } from '../../oracle/operations.js';
import type { Surroundings } from '../work.js';

/** One of the oracle's guests with all of the corpus; for a short run the lab's own, which every test has. */
export function benchGuest(kind: GuestKind, { short, say }: Surroundings): Promise<LabGuest> {
  const names = corpus.map((row) => row.package);
  return short ? suspendedGuest({}, say) : oracleGuest(kind, names, say);
}

const localOnly = [
  ...['-o', 'Dir::Etc::sourceparts=-'],
  ...['-o', 'Dir::Etc::sourcelist=/etc/apt/sources.list.d/local-archive.sources'],
].join(' ');

/** An upgrade that is in the lab's own guest: of one package, from the archive at {@link localArchive}. */
export const shortUpdate = {
  names: ['less'],
  command: [
    ...['/bin/sh', '-ec'],
    `test -d ${localArchive} && apt-get -q ${localOnly} update && apt-get -q -y ${localOnly} --only-upgrade install less`,
  ],
} as const;
