import { OuaError } from '../base/errors.js';
import type { Kernel } from './kernel.js';
import { hex, inconsistent } from './lists.js';
import { frames } from './pages.js';
import { isValue, xarrayEntries } from './xarray.js';

/** What the page cache says of some pages of a file that follow each other. */
export type CachedRun =
  | {
      readonly kind: 'pages';
      /** Number of the first page in the file, and how many there are. */
      readonly index: number;
      readonly count: number;
      /** Where the first one is in guest-physical memory; the others follow it there. */
      readonly physical: number;
      /** Whether they hold the file's bytes (PG_uptodate), or anything yet. */
      readonly upToDate: boolean;
    }
  /** No page: tmpfs notes here where in swap it is, other file systems that they have dropped it. */
  | { readonly kind: 'value'; readonly index: number; readonly count: number };

/**
 * What a `struct address_space` has of its file, in the file's order. A large folio is one run; before large folios
 * had one entry (5.10) each of its pages has one that points at the first.
 *
 * Each page must say that it belongs to this file at this place, so that a pointer to anything else is an error.
 *
 * @param mapping address of the `struct address_space`
 * @throws OuaError `GUEST_INCONSISTENT`, `KERNEL_UNSUPPORTED`
 */
export function* cachedRuns(kernel: Kernel, mapping: bigint): Generator<CachedRun> {
  const frameOf = frames(kernel);
  const size = BigInt(kernel.layout('page').size);
  const upToDateBit = kernel.enumerator('PG_uptodate');
  if (upToDateBit === undefined)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the type information of the kernel ${kernel.release} does not tell its page flags`,
      'an old profile must be built again: ouassister profile build',
    );
  const pages = kernel.view('address_space', mapping).at('i_pages');
  for (const { index, span: count, entry } of xarrayEntries(kernel, pages, 'cached pages')) {
    if (isValue(entry)) {
      yield { kind: 'value', index, count };
      continue;
    }
    const wrong = (problem: string) => inconsistent(`the cached page at ${hex(entry)} ${problem}`);
    const folio = kernel.view('page', entry);
    if (folio.pointer('mapping') !== mapping) throw wrong('belongs to another file');
    if (folio.pointer('compound_head') & 1n) throw wrong('is not the first of its folio');
    const before = BigInt(index) - folio.u64('index');
    if (before < 0n || (before > 0n && count > 1)) throw wrong(`is for another place than ${index}`);
    // That the last page names the first one as its head proves the folio's length.
    const last = entry + (before + BigInt(count - 1)) * size;
    if (last !== entry && !hasHead(last, kernel.view('page', last).u64('compound_head'), entry))
      throw wrong(`has no folio that reaches to ${hex(last)}`);
    yield {
      kind: 'pages',
      index,
      count,
      physical: frameOf(entry) + Number(before) * kernel.pageSize,
      upToDate: ((folio.u64('flags') >> BigInt(upToDateBit)) & 1n) === 1n,
    };
  }
}

/**
 * Whether what a page has in `compound_head` says that it is behind `head` in a folio: with bit 0 set, its address, or from
 * 7.0 on (`compound_info`) perhaps the mask that takes the page's own address to it.
 */
function hasHead(page: bigint, info: bigint, head: bigint): boolean {
  if ((info & 1n) === 0n) return false;
  const rest = info - 1n;
  const reach = BigInt.asUintN(64, -rest);
  return rest === head || ((reach & (reach - 1n)) === 0n && (page & rest) === head);
}
