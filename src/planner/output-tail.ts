import { Writable } from 'node:stream';

/** A longer line is cut: a guest's program decides how long its lines are. */
const maximumLine = 4096;
const keptLines = 20;

/** Hands on what a command prints line by line, and keeps the last lines for the message of a failure. */
export class OutputTail extends Writable {
  readonly #onLine: (line: string) => void;
  readonly #lines: string[] = [];
  #partial = '';

  constructor(onLine: (line: string) => void) {
    super();
    this.#onLine = onLine;
  }

  /** The last lines, oldest first. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    const pieces = (this.#partial + chunk.toString('utf8')).split(/\r?\n/);
    this.#partial = pieces.pop()!.slice(0, maximumLine);
    for (const piece of pieces) this.#line(piece);
    done();
  }

  override _final(done: () => void): void {
    if (this.#partial) this.#line(this.#partial);
    this.#partial = '';
    done();
  }

  #line(text: string): void {
    const line = text.slice(0, maximumLine);
    if (line.trim() === '') return;
    this.#lines.push(line);
    if (this.#lines.length > keptLines) this.#lines.shift();
    this.#onLine(line);
  }
}
