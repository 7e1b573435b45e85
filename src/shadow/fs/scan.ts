import { check, loadShim } from '../../native/shim.js';
import type { LayerPath } from './layer.js';

/** An entry that a scan found; fields as in stat(2). */
export interface ScanEntry {
  readonly path: LayerPath;
  readonly inode: bigint;
  readonly mode: number;
}

/** struct oua_scan_entry of native-shim/scan.h */
const record = { inode: 0, mode: 16, pathLength: 24, size: 32 };
const filters = { changed: 0, hardLinks: 1, entered: 2 };

/** No scan gives more than this: some ten million names. */
const largestBuffer = 1 << 30;
const errnoRange = -34;

let buffer = Buffer.alloc(1 << 20);

/** Whatever is in the tree at `top` and has a `st_ctime` of `since` (nanoseconds) or later. */
export function scanChanged(top: string, since: bigint): ScanEntry[] {
  return scan(top, filters.changed, since);
}

/**
 * As `scanChanged`, but only what is in a directory that has changed as well, so that it may have come there. Takes a fraction of
 * the time.
 */
export function scanEntered(top: string, since: bigint): ScanEntry[] {
  return scan(top, filters.entered, since);
}

/** Whatever is in the tree at `top`, is no directory and has several names. */
export function scanHardLinks(top: string): ScanEntry[] {
  return scan(top, filters.hardLinks, 0n);
}

function scan(top: string, filter: number, since: bigint): ScanEntry[] {
  let length = loadShim().oua_scan_tree(top, filter, since, buffer, buffer.length);
  while (length === errnoRange && buffer.length < largestBuffer) {
    buffer = Buffer.alloc(buffer.length * 4);
    length = loadShim().oua_scan_tree(top, filter, since, buffer, buffer.length);
  }
  check(`scan ${top}`, length);
  const entries: ScanEntry[] = [];
  for (let at = 0; at < length;) {
    const pathLength = buffer.readUInt32LE(at + record.pathLength);
    const start = at + record.size;
    entries.push({
      path: buffer.toString('latin1', start, start + pathLength),
      inode: buffer.readBigUInt64LE(at + record.inode),
      mode: buffer.readUInt32LE(at + record.mode),
    });
    at = start + Math.ceil(pathLength / 8) * 8;
  }
  return entries;
}
