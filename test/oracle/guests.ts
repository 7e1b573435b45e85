import type { Say } from '../lab/cache.js';
import type { LabGuest, UpOptions } from '../lab/lab.js';
import { plainSuspendedGuest } from '../lab/suspended.js';
import { corpus } from './corpus.js';
import type { GuestKind } from './operations.js';

/** Of the packages that are asked about, those that the lab's base system has and can be without. */
const dispensable = ['ca-certificates', 'openssl', 'tzdata', 'dbus'];

/** MiB. PostgreSQL, postfix and the others run at the same time in the full guest. */
const memory = 1024;

/**
 * A suspended guest to try updates of some packages on, without a network behind its apt. Packages of the corpus
 * share one guest of each kind.
 */
export function oracleGuest(kind: GuestKind, packages: readonly string[], say: Say): Promise<LabGuest> {
  const all = corpus.map((row) => row.package);
  const names = packages.every((name) => all.includes(name)) ? all : [...packages].sort();
  return plainSuspendedGuest(guestOptions(kind, names), say);
}

function guestOptions(kind: GuestKind, packages: readonly string[]): UpOptions {
  // Nothing that the lab makes for its own tests.
  const own = { pending: [], repacked: [] };
  return {
    memory,
    forwardedPorts: [],
    recipe:
      kind === 'bare'
        ? {
            ...own,
            without: dispensable.filter((name) => packages.includes(name)),
            archive: { for: 'install', packages },
          }
        : { ...own, packages, archive: { for: 'upgrade', packages } },
  };
}
