import { Writable } from 'node:stream';

/** A longer line is cut: a guest's program decides how long its lines are. */
const maximumLine = 4096;
const lastLines = 20;
/** Of a script that fails; that it has ended is told later than what was said meanwhile. */
const keptLines = 200;
/** What was said before a mark may still be under way when it is set. */
const afterMark = 10;

interface Line {
  readonly number: number;
  readonly text: string;
}

/** Hands on what a command prints line by line, and keeps the last lines for the message of a failure. */
export class OutputTail extends Writable {
  readonly #onLine: (line: string) => void;
  readonly #clean: (line: string) => string;
  readonly #lines: Line[] = [];
  #marked: Line[] = [];
  #markEnds = 0;
  #count = 0;
  #partial = '';

  /** @param clean takes away from a line what its program did not say */
  constructor(onLine: (line: string) => void, clean: (line: string) => string = (line) => line) {
    super();
    this.#onLine = onLine;
    this.#clean = clean;
  }

  /** How many lines there were. */
  get position(): number {
    return this.#count;
  }

  /** The last lines, oldest first, and before them those of the last mark; `…` stands for what is left out. */
  get lines(): readonly string[] {
    const last = this.#marked.at(-1)?.number ?? 0;
    const rest = this.#lines.slice(-lastLines).filter(({ number }) => number > last);
    const gap = this.#marked.length > 0 && rest.length > 0 && rest[0]!.number > last + 1 ? ['…'] : [];
    const text = (lines: readonly Line[]) => lines.map((line) => line.text);
    return [...text(this.#marked), ...gap, ...text(rest)];
  }

  /** Something that began at a position has failed: what was said since is to be kept, whatever else is said. */
  mark(since: number): void {
    this.#marked = this.#lines.filter(({ number }) => number > since);
    this.#markEnds = this.#count + afterMark;
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
    const line = { number: ++this.#count, text: this.#clean(text).slice(0, maximumLine) };
    if (line.text.trim() === '') return;
    if (line.number <= this.#markEnds) this.#marked.push(line);
    this.#lines.push(line);
    if (this.#lines.length > keptLines) this.#lines.shift();
    this.#onLine(line.text);
  }
}
