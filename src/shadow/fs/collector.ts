import { lstatSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { check, loadShim } from '../../native/shim.js';
import type { ContentId, FileChange, Precondition } from '../../plan/model.js';
import { HostTree, readPieces } from './host-tree.js';
import { precondition } from './inode.js';
import { LayerChangeFinder } from './layer-changes.js';
import type { EarlyContent } from './read-ahead.js';
import { fromGuestPath, type Layer } from './layer.js';
import type { ShadowFs } from './open.js';

/** A changed file's bytes. Valid until the collection that gives it returns. */
export interface Content {
  readonly id: ContentId;
  /** One of the file's names in the guest. */
  readonly path: Buffer;
  /** Bytes. */
  readonly size: number;
  /** The bytes in pieces, each valid until the next one is asked for. */
  readonly read: () => Iterable<Uint8Array>;
}

/** Takes contents in. The same content may come several times. */
export type ContentSink = (content: Content) => Promise<void>;

/** Time stamps of files come from the kernel's tick, at most 10 ms wide. */
const tick = 20_000_000n;
/** Nanoseconds after which a file that has not changed again is read ahead. */
const settling = 150_000_000n;
/** Nanoseconds by which the wall clock may drift from the steady one before it counts as set. */
const clockJump = 5_000_000n;

/**
 * Collects what the update changes on the guest's file systems, piece by piece: each collection
 * has what changed since the one before. A file that comes and goes between two does not appear.
 *
 * While it works, nothing may run in the shadow filesystem.
 */
export class ChangeCollector {
  readonly #layers: readonly Layer[];
  readonly #finders: ReadonlyMap<Layer, LayerChangeFinder>;
  readonly #stamp: string;
  #since = 0n;
  #aheadSince = 0n;
  #clock = clockOffset();

  constructor(shadow: Pick<ShadowFs, 'layers'>) {
    this.#layers = shadow.layers;
    this.#stamp = join(shadow.layers[0]!.upper, '..', 'stamp');
    // Some programs set times to a whole second, which may be the one in which the emulation begins.
    const now = this.#now();
    const start = now - (now % 1_000_000_000n);
    this.#finders = new Map(shadow.layers.map((layer) => [layer, new LayerChangeFinder(layer, start)]));
  }

  /** Takes what has changed so far for the guest's own state: for what setting up the sandbox leaves behind. */
  async baseline(): Promise<void> {
    await this.#collect(undefined);
  }

  /**
   * What changed since the last call: first what makes room, then what is put and linked (directories before
   * what is in them), then what goes.
   *
   * @throws OuaError `DISK_FULL` for a file larger than the shadow's limit, `GUEST_UNSUPPORTED` for a change that no path
   *   of the guest leads to
   */
  collect(sink: ContentSink): Promise<FileChange[]> {
    return this.#collect(sink);
  }

  /**
   * Reads files that changed a moment ago and seem to be finished, so that the next collection need not. Programs may run in
   * the shadow meanwhile, and a collection between two files.
   * Throws what a tree that changes under a walk may make fail.
   *
   * @param age nanoseconds since a file's last change, more than a tick of the clock
   */
  *readAhead(age = settling): Generator<EarlyContent> {
    const settled = this.#now() - age;
    this.#sync();
    const since = this.#aheadSince;
    this.#aheadSince = settled - tick;
    // What is in memory has no write-back: that its time stamp is still the same proves nothing there.
    for (const [layer, finder] of this.#finders) if (layer.onDisk) yield* finder.readAhead(since, settled);
  }

  /** What the guest has at `path`, which must be on one of the layers, before any change. */
  lowerState(path: Buffer): Precondition {
    const place = fromGuestPath(this.#layers, path);
    const inode = place && this.#finders.get(place.layer)!.known.lower(place.path);
    return inode ? precondition(inode) : { type: 'absent' };
  }

  /** The regular file that the guest has at `path` before any change; undefined: there is none. */
  lowerContent(path: Buffer): Content | undefined {
    const place = fromGuestPath(this.#layers, path);
    const inode = place && this.#finders.get(place.layer)!.known.lower(place.path);
    if (!place || inode?.type !== 'file') return undefined;
    const file = new HostTree(place.layer.lower).hostPath(place.path);
    const size = Number(inode.stat.size);
    return { id: inode.content(), path, size, read: () => readPieces(file, size) };
  }

  async #collect(sink: ContentSink | undefined): Promise<FileChange[]> {
    this.#sync();
    const now = this.#now();
    const clock = clockOffset();
    const jump = clock - this.#clock;
    // A clock that was set back would hide changes: look at everything then.
    const jumped = jump > clockJump || jump < -clockJump;
    if (jumped) for (const finder of this.#finders.values()) finder.forgetAhead();
    const since = jumped ? 0n : this.#since;
    const all = [];
    for (const finder of this.#finders.values())
      all.push(
        await finder.collect(
          since,
          sink &&
            ((inode, hostPath, path) => {
              const size = Number(inode.stat.size);
              return sink({ id: inode.content(), path, size, read: () => readPieces(hostPath, size) });
            }),
        ),
      );
    this.#since = this.#aheadSince = now - tick;
    this.#clock = clock;
    return [
      ...all.flatMap(({ clear }) => clear),
      ...all.flatMap(({ put }) => put),
      ...all.flatMap(({ remove }) => remove),
    ];
  }

  /** Clean pages of what is on the disk are write-protected: the next store through a shared mapping makes a new time stamp. */
  #sync(): void {
    check('syncfs', loadShim().oua_sync_file_system(this.#layers[0]!.upper));
  }

  /** The time that the upper layers' file system gives to a change, in nanoseconds. */
  #now(): bigint {
    writeFileSync(this.#stamp, '.');
    return lstatSync(this.#stamp, { bigint: true }).mtimeNs;
  }
}

/** Wall clock minus steady clock, in nanoseconds. */
function clockOffset(): bigint {
  return BigInt(Date.now()) * 1_000_000n - process.hrtime.bigint();
}
