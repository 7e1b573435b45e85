import { createHash, randomBytes } from 'node:crypto';
import type { ContentId, StepOutput } from '../plan/model.js';
import type { Content } from '../shadow/fs/collector.js';

/** Digits of a step's number. */
const maximumDigits = 10;
const end = 0x03;

/** A content that had marks in it, without them. */
export interface MarkedContent {
  readonly id: ContentId;
  readonly size: number;
  readonly read: () => Iterable<Uint8Array>;
  /** Where what is marked belongs. A step that is marked several times is there once. */
  readonly outputs: readonly StepOutput[];
}

/** A range of bytes that is a mark; `step` undefined: the begin of one, at the end of a file that is being written. */
interface Mark {
  readonly start: number;
  readonly end: number;
  readonly step: number | undefined;
}

/**
 * Marks that stand, on a terminal, for what a program will print when it runs at the replay. Programs that copy what is
 * on the terminal, as apt does to its term.log, copy them too, and so show where the program's own words belong.
 */
export class OutputMarks {
  readonly #begin = `\x02ouassister:${randomBytes(16).toString('hex')}:`;
  readonly #beginBytes = Buffer.from(this.#begin);
  readonly #pattern = new RegExp(`${this.#begin}\\d{1,${maximumDigits}}\\x03`, 'g');
  /** Fewer bytes of a mark's begin may be anything. */
  readonly #leastBegin = this.#begin.length - 16;
  readonly #longest = this.#begin.length + maximumDigits + 1;
  readonly #marked = new Set<number>();

  /** What is printed instead of that step's own words. */
  mark(step: number): string {
    this.#marked.add(step);
    return `${this.#begin}${step}\x03`;
  }

  /** A line of a terminal as its programs have printed it. */
  strip(line: string): string {
    return this.#marked.size > 0 ? line.replace(this.#pattern, '') : line;
  }

  /** The content without its marks; undefined: it has none. */
  cut(content: Content): MarkedContent | undefined {
    const marks = this.#marked.size > 0 ? this.#find(content) : [];
    if (marks.length === 0) return undefined;
    const read = () => without(content.read(), marks);
    const hash = createHash('sha256');
    let size = 0;
    for (const piece of read()) {
      hash.update(piece);
      size += piece.length;
    }
    return { id: hash.digest('hex'), size, read, outputs: this.#outputs(marks) };
  }

  /** A guest that makes up a mark gets nothing for it. */
  #outputs(marks: readonly Mark[]): StepOutput[] {
    const outputs = new Map<number, StepOutput>();
    let cut = 0;
    for (const { start, end, step } of marks) {
      if (step !== undefined && this.#marked.has(step) && !outputs.has(step))
        outputs.set(step, { offset: start - cut, step });
      cut += end - start;
    }
    return [...outputs.values()];
  }

  #find(content: Content): Mark[] {
    const marks: Mark[] = [];
    let rest: Uint8Array = Buffer.alloc(0);
    let start = 0;
    for (const piece of content.read()) {
      const bytes = Buffer.concat([rest, piece]);
      const last = start + bytes.length === content.size;
      const done = this.#findIn(bytes, start, last, marks);
      rest = bytes.subarray(done);
      start += done;
    }
    return marks;
  }

  /** Adds the marks that are whole; returns how many bytes need not be looked at again. */
  #findIn(bytes: Buffer, start: number, last: boolean, marks: Mark[]): number {
    const begin = this.#beginBytes;
    let at = 0;
    for (let found; (found = bytes.indexOf(begin, at)) >= 0;) {
      if (!last && found + this.#longest > bytes.length) return found;
      const stop = bytes.indexOf(end, found);
      const cutOff = stop < 0 && found + this.#longest > bytes.length;
      const digits = bytes.toString('latin1', found + begin.length, stop < 0 ? bytes.length : stop);
      at = found + begin.length;
      if (!(cutOff ? /^\d*$/ : /^\d{1,10}$/).test(digits)) continue;
      const length = begin.length + digits.length + (cutOff ? 0 : 1);
      marks.push({
        start: start + found,
        end: start + found + length,
        step: cutOff ? undefined : Number(digits),
      });
      at = found + length;
    }
    if (!last) return Math.max(at, bytes.length - this.#longest);
    const partial = this.#partialBegin(bytes.subarray(at));
    if (partial > 0)
      marks.push({
        start: start + bytes.length - partial,
        end: start + bytes.length,
        step: undefined,
      });
    return bytes.length;
  }

  /** How many bytes at the end are a mark's begin. */
  #partialBegin(bytes: Buffer): number {
    for (let length = this.#begin.length - 1; length >= this.#leastBegin; length--)
      if (bytes.length >= length && bytes.subarray(-length).equals(this.#beginBytes.subarray(0, length)))
        return length;
    return 0;
  }
}

function* without(pieces: Iterable<Uint8Array>, marks: readonly Mark[]): Iterable<Uint8Array> {
  let start = 0;
  let next = 0;
  for (const piece of pieces) {
    const pieceEnd = start + piece.length;
    let at = start;
    for (; next < marks.length && marks[next]!.start < pieceEnd; next++) {
      const mark = marks[next]!;
      if (mark.start > at) yield piece.subarray(at - start, mark.start - start);
      at = Math.max(at, Math.min(mark.end, pieceEnd));
      // The rest of it is in the next piece.
      if (mark.end > pieceEnd) break;
    }
    if (at < pieceEnd) yield piece.subarray(at - start);
    start = pieceEnd;
  }
}
