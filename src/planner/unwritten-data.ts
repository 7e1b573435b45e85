import { OuaError } from '../base/errors.js';
import type { Guest, UnwrittenFile } from '../guest/guest.js';
import type { Note } from '../plan/model.js';
import { resolveInShadow } from '../shadow/fs/read.js';
import { fileKey, type DiskFiles } from './disk-files.js';

const namedInNote = 5;

/**
 * What the guest had in its page cache only when it was suspended. The shadow is made of its disk and does not have
 * it: a plan must not be made from, or change, an older state of such a file than the guest resumes with.
 */
export class UnwrittenData {
  readonly #disk: DiskFiles;
  readonly #files: readonly UnwrittenFile[];
  readonly #data: readonly UnwrittenFile[];

  constructor(guest: Pick<Guest, 'unwrittenFiles'>, disk: DiskFiles) {
    this.#disk = disk;
    this.#files = guest.unwrittenFiles().filter((file) => disk.holds(file));
    this.#data = this.#files.filter(({ kind }) => kind === 'data');
  }

  /**
   * @param root host path of the guest's `/`
   * @param databases directories that every run of a package manager reads before it decides anything
   * @throws OuaError `GUEST_UNSYNCED` naming a file there, or one whose name is not known
   */
  requireDatabases(root: string, databases: readonly string[]): void {
    const tops = databases.flatMap((path) => resolveInShadow(root, path)?.toString() ?? []);
    const found = this.#data.find(
      ({ path }) => path === undefined || tops.some((top) => path === top || path.startsWith(`${top}/`)),
    );
    if (found) throw unsynced(found);
  }

  /**
   * @param touched paths that the plan changes, one character a byte (latin1)
   * @throws OuaError `GUEST_UNSYNCED` naming the first file with unwritten data among them
   */
  requireTouched(touched: ReadonlySet<string>): void {
    if (this.#data.length === 0) return;
    const keys = new Set([...touched].map((path) => this.#disk.key(Buffer.from(path, 'latin1'))));
    const found = this.#data.find(
      (file) =>
        keys.has(fileKey(file)) ||
        (file.path !== undefined && touched.has(Buffer.from(file.path).toString('latin1'))),
    );
    if (found) throw unsynced(found);
  }

  /** Tells the plan's reader what the plan did not see; undefined when it saw everything. */
  note(): Note | undefined {
    if (this.#files.length === 0) return undefined;
    // Those with data come first.
    const names = [...new Set([...this.#data, ...this.#files])].map(nameOf);
    const named = names.slice(0, namedInNote).join(', ');
    const more = names.length > namedInNote ? ` and ${names.length - namedInNote} more` : '';
    return {
      code: 'UNWRITTEN_DATA',
      text:
        `the guest had not written ${this.#data.length} files' data and perhaps ` +
        `${names.length - this.#data.length} files' metadata to its disk: ${named}${more}`,
    };
  }
}

function unsynced(file: UnwrittenFile): OuaError {
  return new OuaError(
    'GUEST_UNSYNCED',
    `the guest was suspended before it had written ${nameOf(file)} to its disk`,
    'resume the guest, run `sync` in it, and suspend it again',
  );
}

function nameOf({ path, device, inode }: UnwrittenFile): string {
  return path ?? `the file with the inode number ${inode} on the device ${device.major}:${device.minor}`;
}
