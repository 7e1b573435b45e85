import { openMemory } from '../../../src/memory/open.js';
import type { PhysicalMemory } from '../../../src/memory/memory.js';
import { Random } from '../random.js';
import { SpoiltFile } from './file-mutations.js';
import { judge, type Verdict } from './judge.js';
import { mutations, type Mutation } from './mutations.js';
import { OverlayMemory } from './overlay.js';
import { takeAim, type Target } from './target.js';

/** One spoilt image and what became of it. */
export interface Round extends Verdict {
  readonly number: number;
  readonly kind: string;
  /** What was spoilt. */
  readonly what: string;
  readonly seconds: number;
}

/** Mutations by the share of those that spoil the image's file and not what it says. */
const fileWeight = 1;
/** One mutation in so many is read without a profile, whatever it spoils. */
const coldEvery = 25;

const kinds: readonly (Pick<Mutation, 'kind' | 'weight'> & Partial<Mutation>)[] = [
  ...mutations,
  { kind: 'file', weight: fileWeight },
];

/** An image that is spoilt again and again; each time from its undamaged state. */
export class Rounds implements Disposable {
  readonly #memory: PhysicalMemory;
  readonly #target: Target;
  readonly #file: SpoiltFile;

  private constructor(image: string, memory: PhysicalMemory) {
    this.#memory = memory;
    this.#target = takeAim(memory);
    this.#file = new SpoiltFile(image);
  }

  /** @param image path of the memory image of a working guest; it is only read */
  static async open(image: string): Promise<Rounds> {
    return new Rounds(image, await openMemory(image));
  }

  /** Does one mutation: the same for the same seed and number. `kind` forces one. */
  async run(seed: number, number: number, kind?: string): Promise<Round> {
    const random = new Random(seed, number);
    const chosen = kinds.find((each) => each.kind === kind) ?? random.weighted(kinds);
    const { profile, anchor } = this.#target;
    const started = performance.now();
    let what: string;
    let verdict: Verdict;
    if (chosen.apply) {
      const image = new OverlayMemory(this.#memory);
      what = chosen.apply(random, image, this.#target);
      const cold = chosen.cold === true || random.below(coldEvery) === 0;
      verdict = await judge(() => image, cold ? undefined : profile, anchor);
    } else {
      what = this.#file.spoil(random);
      verdict = await judge(() => openMemory(this.#file.path), profile, undefined);
    }
    return { number, kind: chosen.kind, what, seconds: (performance.now() - started) / 1000, ...verdict };
  }

  [Symbol.dispose](): void {
    this.#file[Symbol.dispose]();
    this.#memory[Symbol.dispose]();
  }
}
