import { setImmediate as othersTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ContentId } from '../plan/model.js';
import { pack, type Packed } from '../plan/packing.js';
import type { ChangeCollector } from '../shadow/fs/collector.js';
import type { OutputMarks } from './output-marks.js';

/** Milliseconds between two looks at what has changed. */
const pause = 300;
/** Milliseconds after which others of this thread get their turn: timers, the tracer, who needs everything to stand still. */
const turnMilliseconds = 4;
/** Bytes of packed contents that are kept at most. */
const mostKept = 256 << 20;

interface Early {
  readonly pieces: readonly Packed[];
  readonly size: number;
}

/**
 * Packs what an update writes while it goes on, so that less is left to do when everything has to stand still. It is kept in
 * memory: what gets into the plan is up to the collection, so that nothing is there which came and went.
 */
export class EarlyContents {
  readonly #changes: Pick<ChangeCollector, 'readAhead'>;
  readonly #marks: OutputMarks;
  readonly #kept = new Map<ContentId, Early>();
  #bytes = 0;
  /** Those who need everything to stand still. */
  #holders = 0;
  #round: Promise<void> = Promise.resolve();

  constructor(changes: Pick<ChangeCollector, 'readAhead'>, marks: OutputMarks) {
    this.#changes = changes;
    this.#marks = marks;
  }

  /** Goes on until the work has ended; returns what that gives. */
  async during<T>(work: Promise<T>): Promise<T> {
    const over = new AbortController();
    const rounds = this.#rounds(over.signal);
    try {
      return await work;
    } finally {
      over.abort();
      await rounds;
    }
  }

  /** Runs a task during which nothing is read ahead. */
  async without<T>(task: () => Promise<T>): Promise<T> {
    this.#holders++;
    try {
      await this.#round;
      return await task();
    } finally {
      this.#holders--;
    }
  }

  /** A content without marks that was packed ahead, for the one who asks first. */
  take(id: ContentId): Early | undefined {
    const early = this.#kept.get(id);
    if (early) this.#drop(id, early);
    return early;
  }

  async #rounds(over: AbortSignal): Promise<void> {
    while (!over.aborted) {
      await sleep(pause, undefined, { signal: over }).catch(() => undefined);
      if (over.aborted || this.#holders > 0) continue;
      this.#round = this.#readAhead(over);
      await this.#round;
    }
  }

  async #readAhead(over: AbortSignal): Promise<void> {
    try {
      await this.#packWhatChanged(over);
    } catch {
      // Trees change while they are walked. What is really wrong is seen when everything stands still.
    }
  }

  async #packWhatChanged(over: AbortSignal): Promise<void> {
    let turn = performance.now();
    for (const { id, path, bytes } of this.#changes.readAhead()) {
      if (performance.now() - turn > turnMilliseconds) {
        await othersTurn();
        turn = performance.now();
      }
      if (over.aborted || this.#holders > 0) return;
      const read = () => [bytes];
      if (this.#kept.has(id) || this.#marks.cut({ id, path, size: bytes.length, read })) continue;
      const pieces: Packed[] = [];
      for await (const { encoding, bytes: packed } of pack(bytes))
        pieces.push({ encoding, bytes: encoding === 'plain' ? Buffer.from(packed) : packed });
      this.#keep(id, { pieces, size: bytes.length });
    }
  }

  #keep(id: ContentId, early: Early): void {
    this.#kept.set(id, early);
    this.#bytes += bytesOf(early);
    // The oldest go first.
    for (const [each, old] of this.#kept) {
      if (this.#bytes <= mostKept) return;
      this.#drop(each, old);
    }
  }

  #drop(id: ContentId, early: Early): void {
    this.#kept.delete(id);
    this.#bytes -= bytesOf(early);
  }
}

const bytesOf = ({ pieces }: Early) => pieces.reduce((sum, { bytes }) => sum + bytes.length, 0);
