import type { Guest } from '../../guest/guest.js';
import { resolveInShadow } from '../../shadow/fs/read.js';

/** What a name in a file system begins with; others are abstract, unix(7). */
const slash = 0x2f;

/** Who has the guest's sockets in its file systems open. */
export class GuestSockets {
  readonly #root: string;
  readonly #guest: Pick<Guest, 'unixSockets' | 'openFiles'>;
  #holders: ReadonlyMap<string, readonly number[]> | undefined;

  /** @param root the guest's `/` on the host */
  constructor(root: string, guest: Pick<Guest, 'unixSockets' | 'openFiles'>) {
    this.#root = root;
    this.#guest = guest;
  }

  /** Whether those who had the socket at a path open, one at least, are all gone. */
  isLeft(path: string, gone: ReadonlySet<number>): boolean {
    if (gone.size === 0) return false;
    this.#holders ??= this.#findHolders();
    const holders = this.#holders.get(this.#resolved(path)) ?? [];
    return holders.length > 0 && holders.every((pid) => gone.has(pid));
  }

  /** Pids, by the path of what they have open. */
  #findHolders(): Map<string, number[]> {
    const paths = new Map<string, string>();
    for (const { name, inode } of this.#guest.unixSockets())
      if (name?.[0] === slash) paths.set(`socket:[${inode}]`, this.#resolved(name.toString('latin1')));
    const holders = new Map<string, number[]>();
    for (const [pid, files] of this.#guest.openFiles())
      for (const path of new Set(files.flatMap(({ target }) => paths.get(target) ?? [])))
        holders.set(path, [...(holders.get(path) ?? []), pid]);
    return holders;
  }

  #resolved(path: string): string {
    return resolveInShadow(this.#root, path)?.toString('latin1') ?? path;
  }
}
