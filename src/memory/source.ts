import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { errnoOf, OuaError } from '../base/errors.js';
import { truncated } from './refusals.js';

/** Bytes by offset: a file, or one that is laid over another. Reads are positioned and bounded. */
export interface ByteSource extends Disposable {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** @throws OuaError `MEMORY_TRUNCATED` when the bytes end before `target` is full. */
  readInto(offset: number, target: Buffer): void;
  /** @throws OuaError `MEMORY_TRUNCATED`, before anything is allocated, when the bytes end before that. */
  read(offset: number, length: number): Buffer;
}

const pieceSize = 256 * 1024;

/** An open memory image file. */
export class ImageFile implements ByteSource {
  readonly #fd: number;
  #open = true;
  readonly size: number;

  /**
   * @param fd of a file that is open already; it is closed with this object.
   * @param size of a file that does not tell it itself
   * @throws OuaError `FILE_MISSING` when there is no such file or it may not be read.
   */
  constructor(
    readonly path: string,
    fd?: number,
    size?: number,
  ) {
    this.#fd = fd ?? openForReading(path);
    this.size = size ?? fstatSync(this.#fd).size;
  }

  readInto(offset: number, target: Buffer): void {
    for (let done = 0; done < target.length;) {
      const count = this.#readOnce(offset + done, target, done);
      if (count === 0) throw truncated(this.path, offset + target.length, offset + done);
      done += count;
    }
  }

  #readOnce(offset: number, target: Buffer, done: number): number {
    try {
      return readSync(this.#fd, target, done, target.length - done, offset);
    } catch (error) {
      throw new OuaError(
        'HOST_FAILED',
        `reading ${this.path} at byte ${offset} failed (${errnoOf(error) ?? String(error)})`,
        'see the log of the host’s kernel',
        { cause: error },
      );
    }
  }

  read(offset: number, length: number): Buffer {
    if (offset + length > this.size) throw truncated(this.path, offset + length, this.size);
    const target = Buffer.allocUnsafe(length);
    this.readInto(offset, target);
    return target;
  }

  /** The bytes from `start` on, in order, in pieces of at most 256 KiB. */
  *pieces(start: number): Generator<Buffer> {
    for (let at = start; at < this.size; at += pieceSize)
      yield this.read(at, Math.min(pieceSize, this.size - at));
  }

  /** May be called again: a guest takes charge of its memory, and so may whoever opened it. */
  [Symbol.dispose](): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }
}

function openForReading(path: string): number {
  try {
    const fd = openSync(path, 'r');
    if (!fstatSync(fd).isDirectory()) return fd;
    closeSync(fd);
  } catch (error) {
    throw missing(path, errnoOf(error) ?? String(error), error);
  }
  throw missing(path, 'EISDIR', undefined);
}

function missing(path: string, why: string, cause: unknown): OuaError {
  return new OuaError(
    'FILE_MISSING',
    `the memory image ${path} cannot be opened (${why})`,
    'give the path of a memory image that you may read',
    { cause },
  );
}
