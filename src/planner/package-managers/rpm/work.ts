import { posix } from 'node:path';
import type { CallEvent } from '../../../tracer/call-event.js';
import type { PackageWork } from '../package-manager.js';

/** Programs in whose process librpm(3) works. */
const programs = new Set(['rpm', 'rpmkeys', 'rpmdb', 'dnf', 'dnf-3', 'dnf5', 'microdnf', 'yum', 'zypper']);

/** What rpm appends to the names of files that are on their way: `;` and the transaction's number, rpm's lib/fsm.c. */
const onTheWay = /;[0-9a-f]{8}$/;

/**
 * Which package rpm's own work is for. It does not show which package rpm is at, as its packages are archives that it
 * reads itself; a file that a package had before the update is that package's.
 */
export class RpmWork implements PackageWork {
  readonly current = undefined;
  readonly #installed: (path: string) => string | undefined;

  /** @param installed the package that a file belonged to before the update, by its path (latin1) */
  constructor(installed: (path: string) => string | undefined) {
    this.#installed = installed;
  }

  begins(name: string): boolean {
    return programs.has(name);
  }

  executes(): void {
    // Its helpers work for no package.
  }

  runs(): void {
    // A script says nothing of what rpm does next.
  }

  ownerOf(event: CallEvent): string | undefined {
    if (!('path' in event)) return undefined;
    const path = posix.normalize(event.path.toString('latin1'));
    return this.#installed(path.replace(onTheWay, ''));
  }
}
