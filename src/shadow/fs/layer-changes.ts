import { constants } from 'node:fs';
import { OuaError } from '../../base/errors.js';
import type { FileChange } from '../../plan/model.js';
import { HostTree } from './host-tree.js';
import { fileState, readInode, sameInode, type Inode } from './inode.js';
import { KnownTree } from './known-tree.js';
import { parentOf, placeInGuest, toGuestPath, type Layer, type LayerPath } from './layer.js';
import { largestAhead, ReadAhead, type EarlyContent } from './read-ahead.js';
import { scanChanged, type ScanEntry } from './scan.js';

/** Changes of one layer, in the three groups in which they are applied. */
export interface LayerChanges {
  /** Removals that make room for something of another type. */
  readonly clear: FileChange[];
  readonly put: FileChange[];
  readonly remove: FileChange[];
}

/** Called with each content of a changed file, while the file stands still. `path` is one of its names in the guest. */
export type FileSink = (inode: Inode, hostPath: Buffer, path: Buffer) => Promise<void>;

/** Bytes of holes in files in memory that a collection reads. */
const mostHoles = 1n << 30n;

/**
 * Finds out what changed in one layer, each time since the time before.
 *
 * The upper layer only tells *where* to look: whatever has a new `st_ctime` there. What is there now is read
 * from the merged mount, so that overlayfs itself decodes its whiteouts, opaque directories, redirects and hard
 * links; what was there is in a KnownTree. The layer must stand still during a collection. A copy of what was in
 * memory has no whiteouts: what is gone from it is missing, and nothing else says so. Nor does a time stamp say what was
 * stored there through a shared mapping, see `#unstamped`.
 */
export class LayerChangeFinder {
  readonly known: KnownTree;
  readonly #early: ReadAhead;
  readonly #layer: Layer;
  readonly #start: bigint;
  readonly #upper: HostTree;
  readonly #merged: HostTree;
  /** Which inode of the upper layer was a directory at the last look. */
  readonly #upperDirectories = new Map<LayerPath, bigint>();
  /** Names seen of merged inodes with several, by inode number. */
  readonly #twins = new Map<bigint, ReadonlySet<LayerPath>>();
  /** What this collection has changes of. */
  readonly #changed = new Set<LayerPath>();
  #looked = false;
  /** Whether the plan gets what this collection finds. */
  #wanted = false;

  /** @param start nanoseconds since the epoch: when the emulation began */
  constructor(layer: Layer, start: bigint) {
    this.#layer = layer;
    this.#start = start;
    this.#upper = new HostTree(layer.upper);
    this.#merged = new HostTree(layer.merged);
    this.known = new KnownTree(layer);
    this.#early = new ReadAhead(layer);
  }

  /**
   * Reads what has changed, and what was there before, ahead of the next collection. Programs may run in the layer.
   *
   * @param since nanoseconds: as for `collect`
   * @param settled nanoseconds: files with a newer `st_ctime` are left alone. More than a tick of the clock
   *   ago, and the upper layer's file system was synced since
   */
  *readAhead(since: bigint, settled: bigint): Generator<EarlyContent> {
    for (const { path, ...content } of this.#early.files(since, settled)) {
      const guestPath = toGuestPath(this.#layer, path);
      if (!guestPath) continue;
      yield { ...content, path: guestPath };
      const before = this.known.lower(path);
      if (before?.type === 'file' && before.stat.size <= largestAhead) before.content();
    }
  }

  /** What was read ahead does not count any more. */
  forgetAhead(): void {
    this.#early.clear();
  }

  /**
   * @param since nanoseconds: entries of the upper layer with an older `st_ctime` were seen before
   * @param sink gets each content that a returned change needs; undefined: contents are of no interest
   * @throws OuaError `GUEST_UNSUPPORTED` for a change where the guest has no path to, unless there is no sink
   */
  async collect(since: bigint, sink: FileSink | undefined): Promise<LayerChanges> {
    this.#upper.refresh();
    this.#merged.refresh();
    this.#changed.clear();
    this.#wanted = sink !== undefined;
    const current = this.#look(this.#candidates(since));
    this.#looked = true;
    const clear = new Set<LayerPath>();
    const gone = new Set<LayerPath>();
    for (const [path, now] of current) {
      const before = this.known.get(path);
      if (!before || (now && isDirectory(now) === isDirectory(before))) continue;
      const group = now ? clear : gone;
      if (isDirectory(before)) for (const below of this.known.below(path)) group.add(below);
      group.add(path);
    }
    const removed = (paths: Iterable<LayerPath>) => this.#remove([...paths]);
    const changes = { clear: removed(clear), remove: removed([...gone].filter((path) => !clear.has(path))) };
    const put = await this.#put(current, sink);
    return { ...changes, put: [...this.#keepTimes(), ...put] };
  }

  /**
   * A file that was written in place leaves its directory's time as it was; the replay puts a new one in its place.
   * Directories whose time would change only by that are put, too, so that they get it back.
   */
  #keepTimes(): FileChange[] {
    const directories = new Set([...this.#changed].map(parentOf).filter((path) => path !== ''));
    return [...directories].sort().flatMap((path) => {
      const known = this.known.get(path);
      const time = this.#merged.lstat(path)?.mtimeNs;
      const kept = known?.type === 'directory' && time !== undefined && time < this.#start;
      return kept && !this.#changed.has(path)
        ? this.#change(path, { action: 'put', state: fileState(known, this.#start) })
        : [];
    });
  }

  /** Paths that may have changed. */
  #candidates(since: bigint): Set<LayerPath> {
    const found = new Set<LayerPath>(['']);
    const entries = scanChanged(this.#layer.upper, since);
    this.#vanished('', found);
    for (const entry of entries) {
      found.add(entry.path);
      if ((entry.mode & constants.S_IFMT) === constants.S_IFDIR) this.#directory(entry, found);
    }
    if (!this.#layer.onDisk) for (const path of this.#unstamped()) found.add(path);
    return found;
  }

  /**
   * Regular files of a tmpfs. It has no write-back, so that its pages are not write-protected again: from the first access on
   * a store through a shared mapping leaves all times as they are. Holes are read like data, and bounded, as the guest can
   * have any number of them: beyond `mostHoles` a file goes by its time.
   */
  *#unstamped(): Generator<LayerPath> {
    let holes = 0n;
    for (const { path, mode } of scanChanged(this.#layer.upper, 0n)) {
      if ((mode & constants.S_IFMT) !== constants.S_IFREG) continue;
      const { size, blocks } = this.#upper.lstat(path)!;
      const more = size > blocks * 512n ? size - blocks * 512n : 0n;
      if (holes + more > mostHoles) continue;
      holes += more;
      yield path;
    }
  }

  #directory({ path, inode }: ScanEntry, found: Set<LayerPath>): void {
    if (this.#upperDirectories.get(path) === inode) return this.#vanished(path, found);
    this.#upperDirectories.set(path, inode);
    if (this.#layer.onDisk ? this.#mergesWithLower(path) : !this.#looked) return;
    // A directory that is new, or came from elsewhere with all that is in it: nothing below it can be inferred.
    this.known.cutOff(path);
    for (const below of this.known.below(path)) found.add(below);
    if (this.#merged.lstat(path)?.isDirectory())
      for (const below of this.#merged.walk(path)) found.add(below);
  }

  /** Whether an upper directory just adds to the lower one of the same name. */
  #mergesWithLower(path: LayerPath): boolean {
    return (
      this.known.lowerShows(path) &&
      !this.known.isCut(path) &&
      this.known.get(path)?.type === 'directory' &&
      this.known.lower(path)?.type === 'directory' &&
      this.#upper.xattr(path, 'trusted.overlay.opaque') !== 'y' &&
      this.#upper.xattr(path, 'trusted.overlay.redirect') === ''
    );
  }

  /** What only the upper layer had leaves no whiteout behind. */
  #vanished(path: LayerPath, found: Set<LayerPath>): void {
    const known = [...(this.#layer.onDisk ? this.known.notedNames(path) : this.known.names(path))];
    if (known.length === 0) return;
    const there = new Set(this.#upper.names(path));
    for (const name of known) if (!there.has(name)) found.add(path === '' ? name : `${path}/${name}`);
  }

  /** What is at each candidate now, with all other names of what has several, in the order of their paths. */
  #look(candidates: Set<LayerPath>): Map<LayerPath, Inode | undefined> {
    const found: [LayerPath, Inode | undefined][] = [];
    // The loop also visits what is added to the set meanwhile.
    for (const path of candidates) {
      const stat = this.#merged.lstat(path);
      const now = stat && readInode(this.#merged, path, stat, this.#layer.limit, this.#early.idOf(stat));
      found.push([path, now]);
      const before = this.known.get(path);
      if (before && !isDirectory(before)) for (const twin of before.names) candidates.add(twin);
      // What was in a directory that went may live on under other names.
      if (before && isDirectory(before) && !stat?.isDirectory())
        for (const below of this.known.below(path)) candidates.add(below);
      if (stat && !stat.isDirectory() && stat.nlink > 1n)
        for (const twin of this.#twins.get(stat.ino) ?? []) candidates.add(twin);
    }
    return new Map(found.sort(([a], [b]) => (a < b ? -1 : 1)));
  }

  /** Children come before their directory: a longer path sorts after the one that it begins with. */
  #remove(paths: LayerPath[]): FileChange[] {
    return paths
      .sort((a, b) => (a < b ? 1 : -1))
      .flatMap((path) => {
        this.#requireSeen(path);
        this.known.remove(path);
        this.#upperDirectories.delete(path);
        return this.#change(path, { action: 'remove' });
      });
  }

  async #put(
    current: ReadonlyMap<LayerPath, Inode | undefined>,
    sink: FileSink | undefined,
  ): Promise<FileChange[]> {
    const puts: FileChange[] = [];
    const links: FileChange[] = [];
    const put = async (path: LayerPath, inode: Inode) => {
      // Hashed now in any case: later the file may be another one.
      if (inode.type === 'file') inode.content();
      const guestPath = toGuestPath(this.#layer, path);
      if (inode.type === 'file' && sink && guestPath)
        await sink(inode, this.#merged.hostPath(path), guestPath);
      inode.names.clear();
      this.known.put(path, inode);
      puts.push(...this.#change(path, { action: 'put', state: fileState(inode, this.#start) }));
    };
    const groups = groupByInode(current);
    for (const [path, inode] of current) {
      if (!inode) continue;
      if (isDirectory(inode)) {
        if (this.#isKnown(path, inode)) continue;
        this.#requireSeen(path);
        await put(path, inode);
        continue;
      }
      const names = groups.get(inode.stat.ino)!;
      if (names[0] !== path) continue;
      if (inode.stat.nlink > 1n) this.#twins.set(inode.stat.ino, new Set(names));
      const seen = this.#seen(names, inode);
      const anchor = this.#anchor(seen, names, inode) ?? seen[0];
      if (anchor === undefined) continue;
      if (this.#differs(anchor, names, inode)) await put(anchor, inode);
      const target = this.known.get(anchor)!;
      for (const name of seen) {
        if (this.known.get(name) === target) continue;
        this.known.put(name, target);
        links.push(...this.#link(name, anchor));
      }
    }
    return [...puts, ...links];
  }

  /** A name whose inode the guest will have exactly so, and that has no name beyond `names`. */
  #anchor(
    candidates: readonly LayerPath[],
    names: readonly LayerPath[],
    inode: Inode,
  ): LayerPath | undefined {
    return candidates.find((name) => !this.#differs(name, names, inode));
  }

  #differs(name: LayerPath, names: readonly LayerPath[], inode: Inode): boolean {
    const before = this.known.get(name);
    if (!before || isDirectory(before)) return true;
    return (
      ![...before.names].every((other) => names.includes(other)) || !sameInode(before, inode, this.#start)
    );
  }

  #isKnown(path: LayerPath, inode: Inode): boolean {
    const before = this.known.get(path);
    return before !== undefined && sameInode(before, inode, this.#start);
  }

  /** Those names of an inode that the guest sees. By the others it must be as it was: a plan cannot change it there. */
  #seen(names: readonly LayerPath[], inode: Inode): readonly LayerPath[] {
    if (!this.#wanted) return names;
    return names.filter((name) => {
      if (toGuestPath(this.#layer, name)) return true;
      if (!this.#isKnown(name, inode)) this.#requireSeen(name);
      return false;
    });
  }

  #requireSeen(path: LayerPath): void {
    if (!this.#wanted || toGuestPath(this.#layer, path)) return;
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `the update changes ${readable(path)} of the file system that is mounted at ${this.#layer.at}, ` +
        'which the guest does not see: that part is not mounted, or something else is mounted there',
      'mount it in the guest, or unmount what covers it, before the guest is suspended',
    );
  }

  #change(path: LayerPath, what: Unplaced): FileChange[] {
    this.#changed.add(path);
    const guestPath = toGuestPath(this.#layer, path);
    return guestPath ? [{ path: guestPath, ...what }] : [];
  }

  #link(path: LayerPath, anchor: LayerPath): FileChange[] {
    const [from, to] = [placeInGuest(this.#layer, path), placeInGuest(this.#layer, anchor)];
    if (!from || !to) return [];
    // link(2): EXDEV, also between two mounts of one file system.
    if (from.part !== to.part && this.#wanted)
      throw new OuaError(
        'GUEST_UNSUPPORTED',
        `the update makes ${from.path.toString()} and ${to.path.toString()} one file, but the guest has them on two mounts`,
        'unmount the one that the guest can do without before it is suspended',
      );
    return this.#change(path, { action: 'link', to: to.path });
  }
}

type Unplaced = FileChange extends infer C ? (C extends FileChange ? Omit<C, 'path'> : never) : never;

function readable(path: LayerPath): string {
  return JSON.stringify(Buffer.from(path, 'latin1').toString());
}

function isDirectory(inode: Inode): boolean {
  return inode.type === 'directory';
}

/** Names by inode number, each list in the order of the paths. */
function groupByInode(current: ReadonlyMap<LayerPath, Inode | undefined>): Map<bigint, LayerPath[]> {
  const groups = new Map<bigint, LayerPath[]>();
  for (const [path, inode] of current) {
    if (!inode || isDirectory(inode)) continue;
    const names = groups.get(inode.stat.ino);
    if (names) names.push(path);
    else groups.set(inode.stat.ino, [path]);
  }
  return groups;
}
