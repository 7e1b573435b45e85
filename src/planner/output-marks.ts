import { createHash, randomBytes } from 'node:crypto';
import type { ContentId, StepOutput } from '../plan/model.js';
import type { Content } from '../shadow/fs/collector.js';

/** Digits of a step's number. */
const maximumDigits = 10;

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
  readonly #pattern = new RegExp(`^${this.#begin}(\\d{1,${maximumDigits}})\\x03`);
  readonly #everywhere = new RegExp(this.#pattern.source.slice(1), 'g');
  readonly #begunPattern = new RegExp(`^${this.#begin}\\d{0,${maximumDigits}}$`);
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
    return this.#marked.size > 0 ? line.replace(this.#everywhere, '') : line;
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
    let rest = Buffer.alloc(0);
    let start = 0;
    for (const piece of content.read()) {
      const bytes =
        rest.length > 0
          ? Buffer.concat([rest, piece])
          : Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      let done = 0;
      for (let at = 0; (at = bytes.indexOf(this.#begin, at, 'latin1')) >= 0; at++) {
        const [mark, step] = this.#pattern.exec(bytes.toString('latin1', at, at + this.#longest)) ?? [];
        if (mark === undefined) continue;
        done = at + mark.length;
        marks.push({ start: start + at, end: start + done, step: Number(step) });
      }
      // The next piece may have the rest of one.
      done = Math.max(done, bytes.length - this.#longest);
      rest = Buffer.from(bytes.subarray(done));
      start += done;
    }
    const begun = this.#begunAt(rest.toString('latin1'));
    if (begun >= 0) marks.push({ start: start + begun, end: start + rest.length, step: undefined });
    return marks;
  }

  /** Where a mark begins that the end of the text cuts off; -1: nowhere. */
  #begunAt(text: string): number {
    for (let at = 0; at <= text.length - this.#leastBegin; at++) {
      const end = text.slice(at);
      if (this.#begin.startsWith(end) || this.#begunPattern.test(end)) return at;
    }
    return -1;
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
