import type { Kernel } from './kernel.js';
import { hex, inconsistent, maxEntries } from './lists.js';

/** What an xarray holds for one index, or for several that belong together. */
export interface XarrayEntry {
  readonly index: number;
  /** Number of indices, a power of two; more than 1 for a multi-index entry. */
  readonly span: number;
  /** A pointer, or a value: see {@link isValue}. */
  readonly entry: bigint;
}

/** XA_CHUNK_SHIFT: 64 slots in a node; 16 in kernels for very small machines (CONFIG_BASE_SMALL). */
const chunkShifts: Readonly<Record<number, number>> = { 16: 4, 64: 6 };
/** Page numbers of the largest file (2^63 bytes of 4 KiB pages) are below it, and plain numbers hold it. */
const maxIndex = 2 ** 52;

/** xa_is_value(): not a pointer, but a number that the array's owner gave a meaning. */
export function isValue(entry: bigint): boolean {
  return (entry & 1n) === 1n;
}

/** xa_is_node(): internal entries end in binary 10; those of the first page are markers. */
function isNode(entry: bigint): boolean {
  return isInternal(entry) && entry > 4096n;
}

function isInternal(entry: bigint): boolean {
  return (entry & 3n) === 2n;
}

/** XA_ZERO_ENTRY, xa_mk_internal(257): reserved, reads as nothing. */
const zeroEntry = (257n << 2n) | 2n;

/** A node on the way from the root to where the walk is. */
interface Frame {
  readonly address: bigint;
  readonly slots: Buffer;
  readonly count: number;
  /** Index of its first slot, and how many indices each slot covers. */
  readonly base: number;
  readonly reach: number;
  readonly shift: number;
  next: number;
}

/**
 * The entries of a `struct xarray` in the order of their indices (include/linux/xarray.h, lib/xarray.c). Each
 * node must say of itself what its place says of it, and hold as many entries as it counts: a tree that is torn,
 * loops or runs into something else is an error and not a wrong answer.
 *
 * @param array address of the `struct xarray`
 * @param what the array's name, for the error
 * @throws OuaError `GUEST_INCONSISTENT`
 */
export function* xarrayEntries(kernel: Kernel, array: bigint, what: string): Generator<XarrayEntry> {
  const torn = (problem: string) => inconsistent(`the xarray of ${what} at ${hex(array)} ${problem}`);
  const head = kernel.view('xarray', array).pointer('xa_head');
  if (!isNode(head)) {
    if (isInternal(head) && head !== zeroEntry) throw torn(`has the head ${hex(head)}`);
    if (head !== 0n && head !== zeroEntry) yield { index: 0, span: 1, entry: head };
    return;
  }
  const open = (entry: bigint, parent: Frame | undefined, slot: number): Frame => {
    const address = entry - 2n;
    const node = kernel.view('xa_node', address);
    const slots = node.raw('slots');
    const chunkShift = chunkShifts[slots.length / 8];
    const shift = node.uint('shift');
    if (
      chunkShift === undefined ||
      node.pointer('array') !== array ||
      node.pointer('parent') !== (parent?.address ?? 0n) ||
      // A root's place in a parent is whatever its memory held before.
      (parent
        ? node.uint('offset') !== slot || shift !== parent.shift - chunkShift
        : shift % chunkShift !== 0 || shift > 63)
    )
      throw torn(`has a node at ${hex(address)} that belongs elsewhere`);
    const base = parent ? parent.base + slot * parent.reach : 0;
    let filled = 0;
    for (let at = 0; at < slots.length; at += 8) if (slots.readBigUInt64LE(at) !== 0n) filled++;
    if (filled !== node.uint('count'))
      throw torn(`has a node at ${hex(address)} with ${filled} entries that counts ${node.uint('count')}`);
    return { address, slots, count: slots.length / 8, base, reach: 2 ** shift, shift, next: 0 };
  };
  const stack = [open(head, undefined, 0)];
  for (let nodes = 1, frame = stack.at(-1); frame; frame = stack.at(-1)) {
    if (frame.next === frame.count) {
      stack.pop();
      continue;
    }
    const slot = frame.next++;
    const entry = frame.slots.readBigUInt64LE(slot * 8);
    if (entry === 0n) continue;
    if (isNode(entry)) {
      if (frame.shift === 0) throw torn(`has a node below the lowest at ${hex(frame.address)}`);
      if (++nodes > maxEntries) throw torn('does not end');
      stack.push(open(entry, frame, slot));
      continue;
    }
    if (isInternal(entry) && entry !== zeroEntry)
      throw torn(`has ${hex(entry)} in the slot ${slot} of its node at ${hex(frame.address)}`);
    // The slots behind a multi-index entry's first one name that one: xa_mk_sibling().
    const sibling = (BigInt(slot) << 2n) | 2n;
    while (frame.next < frame.count && frame.slots.readBigUInt64LE(frame.next * 8) === sibling) frame.next++;
    const slots = frame.next - slot;
    const index = frame.base + slot * frame.reach;
    if (slots & (slots - 1) || slot % slots !== 0 || index + slots * frame.reach > maxIndex)
      throw torn(`has an entry of ${slots} slots in the slot ${slot} of its node at ${hex(frame.address)}`);
    if (entry !== zeroEntry) yield { index, span: slots * frame.reach, entry };
  }
}
