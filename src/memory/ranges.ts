import type { PhysicalRange } from './memory.js';
import { describedTwice, unreadable } from './refusals.js';

/** Pieces that one image may lie in. A filtered dump of a large guest has some hundred thousand. */
export const maxPieces = 1 << 20;

/** The range that holds `address`, or undefined when the image has nothing there. */
export function rangeAt(ranges: readonly PhysicalRange[], address: number): PhysicalRange | undefined {
  let low = 0;
  let high = ranges.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const range = ranges[middle] as PhysicalRange;
    if (address < range.start) high = middle;
    else if (address >= range.end) low = middle + 1;
    else return range;
  }
  return undefined;
}

/** Collects ranges that come in ascending order, and joins those that touch. */
export class RangeList {
  readonly ranges: { start: number; end: number }[] = [];

  /** @param path of the image, for messages */
  constructor(readonly path: string) {}

  /** @throws OuaError `MEMORY_FORMAT` for a range that is not above the last one, and for too many. */
  add(start: number, end: number): void {
    const last = this.ranges.at(-1);
    if (last && start < last.end) throw describedTwice(this.path, start);
    if (last && start === last.end) last.end = end;
    else if (this.ranges.push({ start, end }) > maxPieces)
      throw unreadable(this.path, `its memory lies in more than ${maxPieces} pieces`);
  }
}
