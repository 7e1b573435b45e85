import type { Say } from '../lab/cache.js';
import type { LabGuest, UpOptions } from '../lab/lab.js';
import { plainSuspendedGuest } from '../lab/suspended.js';
import { corpus } from './corpus.js';
import type { GuestKind } from './operations.js';

/** Of the packages that are asked about, those that the lab's base system has and can be without. */
const dispensable = ['ca-certificates', 'openssl', 'tzdata', 'dbus'];

/**
 * PostgreSQL's autovacuum gets to a database by the clock, so that what it leaves there depends on how fast the machine
 * is that a guest runs on. Only a cluster that is there already can be told; one that is just being installed has
 * PostgreSQL's own settings.
 */
const settings = { 'etc/postgresql/15/main/conf.d/autovacuum.conf': 'autovacuum = off\n' };

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
        : {
            ...own,
            packages,
            archive: { for: 'upgrade', packages },
            ...(packages.includes('postgresql-15') && { settings }),
          },
  };
}
