import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Random } from '../random.js';

/** Headers, notes and tables of a memory image are in its first bytes. */
const headBytes = 64 * 1024;

/** A copy of an image file with the same head and nothing behind it, spoilt anew each time. */
export class SpoiltFile implements Disposable {
  readonly path: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'ouassister-fuzz-'));
  readonly #head: Buffer;
  readonly #size: number;

  constructor(image: string) {
    this.path = join(this.#folder, 'image');
    this.#size = statSync(image).size;
    this.#head = Buffer.alloc(Math.min(headBytes, this.#size));
    const fd = openSync(image, 'r');
    try {
      readSync(fd, this.#head, 0, this.#head.length, 0);
    } finally {
      closeSync(fd);
    }
  }

  /** Spoils the file and says how. */
  spoil(random: Random): string {
    const head = Buffer.from(this.#head);
    // The ELF header and what follows it at once decide more than all the rest.
    const reach = random.pick([64, 64, 512, head.length]);
    const flips = random.few(64);
    for (let done = 0; done < flips; done++) {
      const at = random.below(Math.min(reach, head.length));
      head[at] = (head[at] ?? 0) ^ (1 << random.below(8));
    }
    const size = random.below(3) === 0 ? random.few(this.#size) : this.#size;
    const fd = openSync(this.path, 'w');
    try {
      writeSync(fd, head, 0, Math.min(head.length, size), 0);
      ftruncateSync(fd, size);
    } finally {
      closeSync(fd);
    }
    return `${flips} bits of the file's first ${reach} bytes, ${size} of ${this.#size} bytes left`;
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }
}
