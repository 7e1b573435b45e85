import { compareItems, describe, findDifferences, type Difference, type Found } from './differences.js';
import type { Aspect, Item, Observation } from './item.js';
import { normalisers, type Normaliser } from './normalisers.js';

/** One row of the allow-list: what two runs of the same update inside the same guest do not agree on. */
export interface AllowedDifference {
  /** Paths: `*` is anything within a name, `**` anything at all. A directory's row says nothing of what is in it. */
  readonly path: string;
  readonly aspects: readonly Aspect[];
  /** The contents must be the same after this; when it is left out, they are not compared. */
  readonly same?: Normaliser;
  readonly why: string;
}

/** Names that are made up at random: their places are compared under one name. */
export interface RandomName {
  /** Matches a name from the start of the path; what is behind it stays. */
  readonly name: RegExp;
  /** As in `String.replace`. */
  readonly as: string;
  readonly why: string;
}

/** A row of the allow-list. */
export type AllowListRow = AllowedDifference | RandomName;

/** The allow-list at work: it permits differences, and knows which rows the references gave reason for. */
export class Judge {
  readonly #all: readonly AllowListRow[];
  readonly #rows: readonly { readonly row: AllowedDifference; readonly pattern: RegExp }[];
  readonly #names: readonly RandomName[];
  readonly #seen = new Set<AllowListRow>();

  constructor(rows: readonly AllowListRow[]) {
    this.#all = rows;
    this.#names = rows.filter((row) => 'name' in row);
    this.#rows = rows.filter((row) => 'path' in row).map((row) => ({ row, pattern: globPattern(row.path) }));
  }

  get size(): number {
    return this.#all.length;
  }

  /** Rows that no two references have differed in so far. */
  get unseen(): AllowListRow[] {
    return this.#all.filter((row) => !this.#seen.has(row));
  }

  /** Compares two references with each other. */
  compareReferences(first: Observation, second: Observation): readonly Difference[] {
    const unsteady: Difference[] = [];
    for (const path of first.keys()) {
      const row = second.has(path) ? undefined : this.#names.find(({ name }) => name.test(path));
      if (row) this.#seen.add(row);
    }
    for (const found of findDifferences(this.#renamed(first), this.#renamed(second))) {
      for (const row of this.#rowsFor(found)) this.#seen.add(row);
      if (!this.#permits(found)) unsteady.push(this.#describe(found));
    }
    return unsteady;
  }

  /**
   * Compares a candidate with two references. What it has as the second reference has it is right, too: that came of
   * the same update inside.
   */
  compareCandidate(first: Observation, second: Observation, candidate: Observation): readonly Difference[] {
    const differences: Difference[] = [];
    const other = this.#renamed(second);
    for (const found of findDifferences(this.#renamed(first), this.#renamed(candidate)))
      for (const left of besides(found, other.get(found.path)))
        if (!this.#permits(left)) differences.push(this.#describe(left));
    return differences;
  }

  /** With random names replaced; of several things that have the same name then, the later ones get a number. */
  #renamed(observation: Observation): Observation {
    const renamed = new Map<string, Item>();
    for (const [path, item] of [...observation].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const row = this.#names.find(({ name }) => name.test(path));
      const plain = row ? path.replace(row.name, row.as) : path;
      let name = plain;
      for (let number = 2; renamed.has(name); number++) name = `${plain} ${number}`;
      renamed.set(name, item);
    }
    return renamed;
  }

  #rowsFor({ path, aspect }: Found): AllowedDifference[] {
    return this.#rows
      .filter(({ row, pattern }) => row.aspects.includes(aspect) && pattern.test(path))
      .map(({ row }) => row);
  }

  /** What a row has taken out before the contents were compared is no part of the difference. */
  #describe(found: Found): Difference {
    const same = this.#rowsFor(found).find((row) => row.same !== undefined)?.same;
    return describe(found, same && normalisers[same]);
  }

  #permits(found: Found): boolean {
    return this.#rowsFor(found).some(
      ({ same }) => same === undefined || found.aspect !== 'content' || sameText(normalisers[same], found),
    );
  }
}

/** What is left of a difference from the first reference when the second one is looked at, too. */
function besides(found: Found, second: Item | undefined): Found[] {
  const { path, aspect, candidate } = found;
  if (second === undefined || candidate === undefined) return second === candidate ? [] : [found];
  // Only the first reference lacks it.
  if (aspect === 'presence')
    return found.reference === undefined ? [...compareItems(path, second, candidate)] : [found];
  return second.aspect(aspect) === candidate.aspect(aspect) ? [] : [found];
}

function sameText(normalise: (text: string) => string, { reference, candidate }: Found): boolean {
  const [a, b] = [reference?.text(), candidate?.text()];
  return a !== undefined && b !== undefined && normalise(a) === normalise(b);
}

/** A pattern of the allow-list as a regular expression over whole paths. */
export function globPattern(glob: string): RegExp {
  const parts = glob
    .split(/(\*\*|\*)/)
    .map((part) =>
      part === '**' ? '.*' : part === '*' ? '[^/]*' : part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'),
    );
  return new RegExp(`^${parts.join('')}$`, 's');
}
