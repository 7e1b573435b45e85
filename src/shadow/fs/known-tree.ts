import type { BigIntStats } from 'node:fs';
import { directoriesAbove } from '../../base/paths.js';
import { HostTree } from './host-tree.js';
import { readInode, type Inode } from './inode.js';
import { joinPath, parentOf, type Layer, type LayerPath } from './layer.js';
import { scanHardLinks } from './scan.js';

/**
 * What the guest's file system will be like once all changes that were handed out so far are applied: the
 * lower layer, with notes on each path that differs from it or was asked for.
 */
export class KnownTree {
  readonly #lower: HostTree;
  readonly #layer: Layer;
  /** null: nothing is there. A path without an entry is as in the lower layer, unless that is cut off. */
  readonly #noted = new Map<LayerPath, Inode | null>();
  readonly #notedNames = new Map<LayerPath, Set<string>>();
  /** Directories below which the lower layer no longer shows. */
  readonly #cut = new Set<LayerPath>();
  readonly #lowerInodes = new Map<bigint, Inode>();
  /** The lower layer never changes. null: nothing is there. */
  readonly #lowerStats = new Map<LayerPath, BigIntStats | null>();
  #hardLinks: Map<bigint, LayerPath[]> | undefined;

  constructor(layer: Layer) {
    this.#layer = layer;
    this.#lower = new HostTree(layer.lower);
  }

  get(path: LayerPath): Inode | undefined {
    const noted = this.#noted.get(path);
    if (noted !== undefined) return noted ?? undefined;
    return this.lowerShows(path) ? this.lower(path) : undefined;
  }

  /** The inode of the lower layer, whatever was noted since. */
  lower(path: LayerPath): Inode | undefined {
    const stat = this.#lowerStat(path);
    if (!stat) return undefined;
    const known = this.#lowerInodes.get(stat.ino);
    if (known) return known;
    const inode = readInode(this.#lower, path, stat, this.#layer.limit);
    if (!stat.isDirectory() && stat.nlink > 1n)
      for (const name of this.#twins(stat.ino)) inode.names.add(name);
    this.#lowerInodes.set(stat.ino, inode);
    return inode;
  }

  /** Whether `path` would be looked up in the lower layer when nothing is noted for it. */
  lowerShows(path: LayerPath): boolean {
    return this.#cut.size === 0 || !directoriesAbove(path).some((directory) => this.#cut.has(directory));
  }

  isCut(path: LayerPath): boolean {
    return this.#cut.has(path);
  }

  /** Names that were noted as being in a directory. */
  notedNames(directory: LayerPath): string[] {
    return [...(this.#notedNames.get(directory) ?? [])].filter(
      (name) => this.#noted.get(joinPath(directory, name)) !== null,
    );
  }

  /** All names in a directory. */
  names(directory: LayerPath): ReadonlySet<string> {
    const names = new Set(this.notedNames(directory));
    const shows = this.lowerShows(directory) && !this.#cut.has(directory);
    if (shows && this.#lowerStat(directory)?.isDirectory())
      for (const name of this.#lower.names(directory))
        if (!this.#noted.has(joinPath(directory, name))) names.add(name);
    return names;
  }

  /** Everything that is below a directory. */
  *below(directory: LayerPath): Generator<LayerPath> {
    for (const name of this.names(directory)) {
      const path = joinPath(directory, name);
      yield path;
      if (this.get(path)?.type === 'directory') yield* this.below(path);
    }
  }

  /** Notes all that is below a directory, so that nothing of the lower layer shows through from now on. */
  cutOff(directory: LayerPath): void {
    for (const path of [...this.below(directory)]) this.#note(path, this.get(path) ?? null);
    this.#cut.add(directory);
  }

  /** Notes that `path` is a name of `inode`. */
  put(path: LayerPath, inode: Inode): void {
    this.get(path)?.names.delete(path);
    inode.names.add(path);
    this.#note(path, inode);
  }

  /** Notes that nothing is at `path`. What was below a directory must have been removed before. */
  remove(path: LayerPath): void {
    const inode = this.get(path);
    inode?.names.delete(path);
    this.#note(path, null);
    if (inode?.type === 'directory') this.#cut.add(path);
  }

  #lowerStat(path: LayerPath): BigIntStats | null {
    let stat = this.#lowerStats.get(path);
    if (stat === undefined) this.#lowerStats.set(path, (stat = this.#lower.lstat(path) ?? null));
    return stat;
  }

  #note(path: LayerPath, inode: Inode | null): void {
    this.#noted.set(path, inode);
    const directory = parentOf(path);
    const names = this.#notedNames.get(directory);
    const name = directory === '' ? path : path.slice(directory.length + 1);
    if (names) names.add(name);
    else this.#notedNames.set(directory, new Set([name]));
  }

  /** All names of an inode of the lower layer. Few files have several, so the tree is walked when first needed. */
  #twins(inode: bigint): LayerPath[] {
    if (!this.#hardLinks) {
      this.#hardLinks = new Map();
      for (const { inode: found, path } of scanHardLinks(this.#layer.lower)) {
        const paths = this.#hardLinks.get(found);
        if (paths) paths.push(path);
        else this.#hardLinks.set(found, [path]);
      }
    }
    return this.#hardLinks.get(inode) ?? [];
  }
}
