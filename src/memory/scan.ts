import type { PhysicalMemory } from './memory.js';

const windowSize = 4 * 1024 * 1024;

export interface ScanOptions {
  /** First physical address to look at. */
  readonly start?: number;
  /** Where to stop: no match reaches beyond. */
  readonly end?: number;
}

/**
 * The physical addresses at which `pattern` stands, ascending. Matches do not cross from one range into another
 * that is not adjacent.
 */
export function* scan(memory: PhysicalMemory, pattern: Buffer, options: ScanOptions = {}): Generator<number> {
  const window = Buffer.allocUnsafeSlow(windowSize);
  for (const range of memory.ranges) {
    const end = Math.min(range.end, options.end ?? Infinity);
    for (let base = Math.max(range.start, options.start ?? 0); base + pattern.length <= end;) {
      const view = window.subarray(0, Math.min(windowSize, end - base));
      memory.readInto(base, view);
      for (let at = view.indexOf(pattern); at >= 0; at = view.indexOf(pattern, at + 1)) yield base + at;
      base += view.length - (pattern.length - 1);
    }
  }
}
