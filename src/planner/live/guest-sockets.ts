import type { Guest } from '../../guest/guest.js';
import { resolveInShadow } from '../../shadow/fs/read.js';

/** Who has the guest's sockets in its file systems open. */
export class GuestSockets {
  readonly #root: string;
  readonly #guest: Pick<Guest, 'unixSockets' | 'openFiles'>;

  /** @param root the guest's `/` on the host */
  constructor(root: string, guest: Pick<Guest, 'unixSockets' | 'openFiles'>) {
    this.#root = root;
    this.#guest = guest;
  }

  /** Whether those who had the socket at a path open, one at least, are all gone. */
  isLeft(path: string, gone: ReadonlySet<number>): boolean {
    if (gone.size === 0) return false;
    const holders = this.#holders(this.#resolved(path));
    return holders.length > 0 && holders.every((pid) => gone.has(pid));
  }

  #holders(path: string): number[] {
    const bound = this.#guest
      .unixSockets()
      .filter(({ name }) => name?.[0] === 0x2f && this.#resolved(name.toString('latin1')) === path);
    const targets = new Set(bound.map(({ inode }) => `socket:[${inode}]`));
    return [...this.#guest.openFiles()].flatMap(([pid, files]) =>
      files.some(({ target }) => targets.has(target)) ? [pid] : [],
    );
  }

  #resolved(path: string): string {
    return resolveInShadow(this.#root, path)?.toString('latin1') ?? path;
  }
}
