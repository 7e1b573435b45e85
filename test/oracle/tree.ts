import { createHash } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, type BigIntStats } from 'node:fs';
import { HostTree, readPieces } from '../../src/shadow/fs/host-tree.js';
import { fileType } from '../../src/shadow/fs/inode.js';
import type { LayerPath } from '../../src/shadow/fs/layer.js';
import type { Aspect, Item, Observation } from './item.js';

/** A file that is longer is only hashed. */
const longestText = 64 << 20;

/**
 * Looks at every name in a tree. Contents and attributes are read when they are compared, so the tree must stay and
 * stand still until then.
 *
 * @param begun nanoseconds since the epoch, by the guest's clock, when the guest went on: a later time is `now`, and a
 * file whose inode was not changed since is the one that all copies of the guest have
 */
export function observeTree(root: string, begun: bigint): Observation {
  const tree = new HostTree(root);
  const stats = new Map<LayerPath, BigIntStats>();
  const names = new Map<bigint, LayerPath[]>();
  for (const path of ['', ...tree.walk('')]) {
    const stat = tree.lstat(path)!;
    stats.set(path, stat);
    if (stat.nlink > 1n && !stat.isDirectory()) names.set(stat.ino, [...(names.get(stat.ino) ?? []), path]);
  }
  return new Map(
    [...stats].map(([path, stat]) => [
      shown(path),
      new TreeItem(tree, path, stat, begun, names.get(stat.ino) ?? []),
    ]),
  );
}

const shown = (path: LayerPath) => `/${Buffer.from(path, 'latin1').toString()}`;

class TreeItem implements Item {
  readonly identity: string | undefined;
  readonly #tree: HostTree;
  readonly #path: LayerPath;
  readonly #stat: BigIntStats;
  readonly #begun: bigint;
  readonly #names: readonly LayerPath[];

  constructor(
    tree: HostTree,
    path: LayerPath,
    stat: BigIntStats,
    begun: bigint,
    names: readonly LayerPath[],
  ) {
    this.#tree = tree;
    this.#path = path;
    this.#stat = stat;
    // Some programs set times to a whole second, which may be the one in which the guest went on.
    this.#begun = begun - (begun % 1_000_000_000n);
    this.#names = names;
    const { ino, mode, uid, gid, size, mtimeNs, ctimeNs } = stat;
    this.identity = ctimeNs < begun ? [ino, mode, uid, gid, size, mtimeNs, ctimeNs].join(' ') : undefined;
  }

  aspect(name: Exclude<Aspect, 'presence'>): string | undefined {
    return this[name];
  }

  text(): string | undefined {
    if (!this.#stat.isFile() || this.#stat.size > longestText) return undefined;
    const fd = openSync(this.#tree.hostPath(this.#path), constants.O_RDONLY | constants.O_NOFOLLOW);
    try {
      return fstatSync(fd).isFile() ? readFileSync(fd).toString('latin1') : undefined;
    } finally {
      closeSync(fd);
    }
  }

  get type(): string {
    return fileType(this.#stat);
  }

  get mode(): string {
    return (this.#stat.mode & 0o7777n).toString(8).padStart(4, '0');
  }

  get owner(): string {
    return `${this.#stat.uid}:${this.#stat.gid}`;
  }

  get device(): string | undefined {
    return this.#stat.isCharacterDevice() || this.#stat.isBlockDevice() ? String(this.#stat.rdev) : undefined;
  }

  get target(): string | undefined {
    return this.#stat.isSymbolicLink() ? this.#tree.readlink(this.#path).toString() : undefined;
  }

  get content(): string | undefined {
    if (!this.#stat.isFile()) return undefined;
    const hash = createHash('sha256');
    for (const piece of readPieces(this.#tree.hostPath(this.#path), Number.MAX_SAFE_INTEGER))
      hash.update(piece);
    return `${this.#stat.size} bytes, sha256 ${hash.digest('hex')}`;
  }

  get xattrs(): string {
    return this.#tree
      .xattrs(this.#path)
      .map(([name, value]) => `${name}=${value.toString('hex')}`)
      .join(' ');
  }

  get links(): string {
    return this.#names.map(shown).sort().join(' ');
  }

  get mtime(): string {
    const { mtimeNs } = this.#stat;
    if (mtimeNs >= this.#begun) return 'now';
    const second = 1_000_000_000n;
    return `${new Date(Number(mtimeNs / 1_000_000n)).toISOString().slice(0, 19)}.${String(mtimeNs % second).padStart(9, '0')}`;
  }
}
