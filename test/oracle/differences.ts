import { aspects, type Aspect, type Item, type Observation } from './item.js';

/** Two guests that are not the same in one thing. */
export interface Difference {
  readonly path: string;
  readonly aspect: Aspect;
  /** What each has, in a few words or lines. */
  readonly reference: string;
  readonly candidate: string;
}

/** A difference, and the two things that have it; one is undefined where it is absent. */
export interface Found {
  readonly path: string;
  readonly aspect: Aspect;
  readonly reference: Item | undefined;
  readonly candidate: Item | undefined;
}

/**
 * Compares two guests. Of a directory that only one of them has, what is in it is not told.
 */
export function* findDifferences(reference: Observation, candidate: Observation): Generator<Found> {
  const paths = [...new Set([...reference.keys(), ...candidate.keys()])].sort();
  const lone = new Set<string>();
  for (const path of paths) {
    const [a, b] = [reference.get(path), candidate.get(path)];
    if (a === undefined || b === undefined) {
      if (!lone.has(parent(path))) yield { path, aspect: 'presence', reference: a, candidate: b };
      lone.add(path);
    } else yield* compareItems(path, a, b);
  }
}

/** Compares two things of the same path. */
export function* compareItems(path: string, reference: Item, candidate: Item): Generator<Found> {
  const same = reference.identity !== undefined && reference.identity === candidate.identity;
  for (const aspect of same ? (['links'] as const) : aspects) {
    if (aspect === 'presence' || reference.aspect(aspect) === candidate.aspect(aspect)) continue;
    if (aspect === 'mtime' && isTouched(reference)) continue;
    yield { path, aspect, reference, candidate };
    // Everything else of them differs by itself then.
    if (aspect === 'type') return;
  }
}

/**
 * Whether it is a directory whose time the update did not set: it merely is that of the last entry that came or went,
 * be it a lock or a temporary file.
 */
function isTouched(item: Item): boolean {
  return item.aspect('type') === 'directory' && item.aspect('mtime') === 'now';
}

function parent(path: string): string {
  return path.slice(0, path.lastIndexOf('/'));
}

const mostLines = 8;
const longestLine = 160;

/**
 * Puts a difference into words.
 *
 * @param normalise what contents are compared after: what it takes away is not told
 */
export function describe(
  { path, aspect, reference, candidate }: Found,
  normalise: (text: string) => string = (text) => text,
): Difference {
  if (aspect === 'presence')
    return { path, aspect, reference: presence(reference), candidate: presence(candidate) };
  const [a, b] = [reference!, candidate!];
  if (aspect === 'content') {
    const [left, right] = [a, b].map((item) => {
      const text = item.text();
      return text === undefined ? undefined : normalise(text);
    });
    if (left !== undefined && right !== undefined && isText(left) && isText(right)) {
      const lines = { path, aspect, reference: onlyIn(left, right), candidate: onlyIn(right, left) };
      return lines.reference === '' && lines.candidate === ''
        ? { path, aspect, reference: 'the same lines', candidate: 'the same lines in another order' }
        : lines;
    }
  }
  return { path, aspect, reference: a.aspect(aspect) ?? 'none', candidate: b.aspect(aspect) ?? 'none' };
}

function presence(item: Item | undefined): string {
  if (item === undefined) return 'absent';
  return item.aspect('type') ?? item.aspect('content') ?? 'there';
}

function isText(text: string): boolean {
  return !text.includes('\0');
}

function onlyIn(text: string, other: string): string {
  const left = new Map<string, number>();
  for (const line of other.split('\n')) left.set(line, (left.get(line) ?? 0) + 1);
  const only = text.split('\n').filter((line) => {
    const count = left.get(line) ?? 0;
    left.set(line, count - 1);
    return count <= 0;
  });
  const shown = only
    .slice(0, mostLines)
    .map((line) => Buffer.from(line, 'latin1').toString().slice(0, longestLine));
  return [...shown, ...(only.length > mostLines ? [`… ${only.length - mostLines} more lines`] : [])].join(
    '\n',
  );
}
