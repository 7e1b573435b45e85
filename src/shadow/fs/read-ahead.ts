import { createHash } from 'node:crypto';
import { constants, fstatSync, type BigIntStats } from 'node:fs';
import type { ContentId } from '../../plan/model.js';
import type { Layer, LayerPath } from './layer.js';
import { readBytes, useInShadow } from './read.js';
import { scanEntered } from './scan.js';

/** Bytes of the largest file that is read ahead, as it is in memory then. */
export const largestAhead = 8 << 20;

/** A file that was read ahead. */
export interface EarlyContent {
  readonly id: ContentId;
  /** One of its names in the guest. */
  readonly path: Buffer;
  /** Valid until the next one is asked for. */
  readonly bytes: Buffer;
}

/** The same where it is in its layer. */
type EarlyFile = Omit<EarlyContent, 'path'> & { readonly path: LayerPath };

interface Reading {
  readonly ctimeNs: bigint;
  readonly size: bigint;
  readonly id: ContentId;
}

/**
 * Reads changed files of a layer while programs run there, so that less is left to read when all stand still. What was
 * read counts as long as the file's `st_ctime` is that of before: any later change makes a newer one. For a change
 * through a shared mapping that holds when the pages were written back between that time and the reading.
 */
export class ReadAhead {
  readonly #layer: Layer;
  readonly #read = new Map<bigint, Reading>();
  #buffer = Buffer.alloc(0);

  constructor(layer: Layer) {
    this.#layer = layer;
  }

  /** The hash of a file that has not changed since it was read; undefined: it has, or was not. */
  idOf({ ino, ctimeNs, size }: BigIntStats): ContentId | undefined {
    const reading = this.#read.get(ino);
    return reading?.ctimeNs === ctimeNs && reading.size === size ? reading.id : undefined;
  }

  /** Forgets all. */
  clear(): void {
    this.#read.clear();
  }

  /**
   * Reads what has a `st_ctime` from `since` on and before `settled` (nanoseconds). `settled` must be more than a tick of
   * the clock in the past, and the upper layer's file system have been synced since.
   */
  *files(since: bigint, settled: bigint): Generator<EarlyFile> {
    for (const { path, mode } of scanEntered(this.#layer.upper, since)) {
      if ((mode & constants.S_IFMT) !== constants.S_IFREG) continue;
      const early = this.#readFile(path, settled);
      if (early) yield { ...early, path };
    }
  }

  /** As the guest finds it, so that no link of its leads out of the layer. Anything may be there by now, or nothing. */
  #readFile(path: LayerPath, settled: bigint): Omit<EarlyContent, 'path'> | undefined {
    return useInShadow(this.#layer.merged, path, (descriptor) => this.#readOpen(descriptor, settled));
  }

  #readOpen(descriptor: number, settled: bigint): Omit<EarlyContent, 'path'> | undefined {
    const before = fstatSync(descriptor, { bigint: true });
    if (!before.isFile() || before.size > largestAhead || before.ctimeNs >= settled) return undefined;
    if (this.idOf(before) !== undefined) return undefined;
    const size = Number(before.size);
    if (this.#buffer.length < size) this.#buffer = Buffer.allocUnsafeSlow(size);
    const bytes = readBytes(descriptor, this.#buffer.subarray(0, size));
    const after = fstatSync(descriptor, { bigint: true });
    if (bytes.length < before.size || after.ctimeNs !== before.ctimeNs || after.size !== before.size)
      return undefined;
    const id = createHash('sha256').update(bytes).digest('hex');
    this.#read.set(before.ino, { ctimeNs: before.ctimeNs, size: before.size, id });
    return { id, bytes };
  }
}
