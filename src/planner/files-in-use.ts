import type { Guest } from '../guest/guest.js';
import type { FileChange } from '../plan/model.js';

/**
 * Files that the guest's processes had open for writing at the suspend. Who removes one offline, with all that is beside
 * it, does not see what the process makes there until it is stopped at the replay.
 */
export class FilesInUse {
  readonly #paths: ReadonlySet<string>;

  constructor(guest: Pick<Guest, 'openFiles'>) {
    const open = [...guest.openFiles().values()].flat();
    const written = open.filter(({ writable, target }) => writable && target.startsWith('/'));
    this.#paths = new Set(written.map(({ target }) => target));
  }

  /** The first one that changes take away. */
  removedBy(changes: readonly FileChange[]): string | undefined {
    const removed = changes.filter(({ action }) => action === 'remove').map(({ path }) => path.toString());
    return removed.find((path) => this.#paths.has(path));
  }
}
