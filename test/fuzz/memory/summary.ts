import type { Outcome } from './judge.js';
import type { Round } from './round.js';
import type { Hang } from './supervise.js';

/** The figures of a run. */
export interface Figures {
  readonly mutations: number;
  /** Errors that are none of ours, and workers that died. */
  readonly crashes: number;
  readonly hangs: number;
  readonly wrong_answers: number;
  readonly slowest_s: number;
  /** Most memory that a worker held, Node's own included. */
  readonly peak_mib: number;
}

export interface Failure {
  readonly number: number;
  readonly kind: string;
  readonly outcome: Outcome | Hang['kind'];
  readonly what: string;
  readonly words: string;
}

/** Rounds by what became of them. */
export type Counts = Partial<Record<Outcome, number>>;

const mostFailures = 50;
const mebi = 1 << 20;

/** Adds up what workers say. */
export class Summary {
  readonly kinds: Record<string, Counts> = {};
  readonly failures: Failure[] = [];
  #mutations = 0;
  #crashes = 0;
  #hangs = 0;
  #wrong = 0;
  #slowest = 0;
  #peak = 0;

  addRound({ number, kind, outcome, what, words, seconds }: Round, peakBytes: number): void {
    this.#mutations++;
    this.#slowest = Math.max(this.#slowest, seconds);
    this.#peak = Math.max(this.#peak, peakBytes);
    const counts = (this.kinds[kind] ??= {});
    counts[outcome] = (counts[outcome] ?? 0) + 1;
    if (outcome === 'crash') this.#crashes++;
    if (outcome === 'wrong') this.#wrong++;
    if (outcome === 'crash' || outcome === 'wrong') this.#fail({ number, kind, outcome, what, words });
  }

  addHang({ number, kind }: Hang, seconds: number): void {
    this.#mutations++;
    if (kind === 'hang') {
      this.#hangs++;
      this.#slowest = Math.max(this.#slowest, seconds);
    } else this.#crashes++;
    this.#fail({ number, kind: '', outcome: kind, what: '', words: '' });
  }

  get figures(): Figures {
    return {
      mutations: this.#mutations,
      crashes: this.#crashes,
      hangs: this.#hangs,
      wrong_answers: this.#wrong,
      slowest_s: Number(this.#slowest.toFixed(3)),
      peak_mib: Math.round(this.#peak / mebi),
    };
  }

  #fail(failure: Failure): void {
    if (this.failures.length < mostFailures) this.failures.push(failure);
  }
}
