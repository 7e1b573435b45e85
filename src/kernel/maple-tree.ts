import type { Kernel } from './kernel.js';
import { hex, inconsistent, maxEntries } from './lists.js';

/** What a maple tree holds for a range of indices, both ends included. */
export interface MapleEntry {
  readonly first: bigint;
  readonly last: bigint;
  readonly entry: bigint;
}

/** enum maple_type: the two kinds that trees of ranges are made of, and what each node's slots hold. */
const nodeTypes: Readonly<
  Record<number, { readonly struct: 'maple_range_64' | 'maple_arange_64'; readonly leaf: boolean }>
> = {
  1: { struct: 'maple_range_64', leaf: true },
  2: { struct: 'maple_range_64', leaf: false },
  3: { struct: 'maple_arange_64', leaf: false },
};

/** Nodes are aligned to their 256 bytes; below are a node's type in its address and its slot in a parent's. */
const nodeMask = 0xffn;
const typeShift = 3n;
const typeMask = 0xfn;
const slotShift = 3n;
/** MA_ROOT_PARENT: the root's parent is the tree. */
const rootParent = 1n;
/** A node has at least two entries, but for the root, and maxEntries of them fit below it. */
const maxDepth = 32;
const maxIndex = 0xffffffffffffffffn;

/**
 * The entries of a `struct maple_tree` in the order of their ranges (include/linux/maple_tree.h, lib/maple_tree.c,
 * mas_data_end() and mas_safe_pivot()). Each node must name its parent and its place in it, and pivots must ascend: a
 * tree that is torn, loops or is being changed is an error and not a wrong answer.
 *
 * @param tree address of the `struct maple_tree`
 * @param what the tree's name, for the error
 * @throws OuaError `GUEST_INCONSISTENT`
 */
export function* mapleEntries(kernel: Kernel, tree: bigint, what: string): Generator<MapleEntry> {
  const root = kernel.view('maple_tree', tree).pointer('ma_root');
  // xa_is_node(): internal, and no small number.
  if ((root & 3n) === 2n && root > 4096n) {
    const budget = { nodes: maxEntries };
    yield* nodeEntries(kernel, { tree, what, budget }, root, tree | rootParent, 0n, maxIndex, 0);
  } else if (root !== 0n) yield { first: 0n, last: 0n, entry: root };
}

interface Walk {
  readonly tree: bigint;
  readonly what: string;
  readonly budget: { nodes: number };
}

function* nodeEntries(
  kernel: Kernel,
  walk: Walk,
  encoded: bigint,
  parent: bigint,
  first: bigint,
  last: bigint,
  depth: number,
): Generator<MapleEntry> {
  const address = encoded & ~nodeMask;
  const torn = (problem: string) =>
    inconsistent(
      `the maple tree of ${walk.what} at ${hex(walk.tree)} has a node at ${hex(address)} ${problem}`,
    );
  const type = nodeTypes[Number((encoded >> typeShift) & typeMask)];
  if (!type) throw torn('of an unknown type');
  if (depth > maxDepth || --walk.budget.nodes < 0) throw torn('too many');
  const node = kernel.view(type.struct, address);
  if (!isParent(node.pointer('parent'), parent)) throw torn('that belongs elsewhere');
  const pivots = node.raw('pivot');
  const slots = node.raw('slot');
  let lower = first;
  for (let slot = 0; slot * 8 < slots.length; slot++) {
    const pivot = slot * 8 < pivots.length ? pivots.readBigUInt64LE(slot * 8) : last;
    // The end of a node that is not full; a first pivot of 0 is the range of 0 alone.
    const upper = pivot === 0n && slot > 0 ? last : pivot;
    if (upper < lower || upper > last) throw torn(`whose pivot ${slot} is ${hex(pivot)}`);
    const entry = slots.readBigUInt64LE(slot * 8);
    if (!type.leaf) {
      const place = address | (BigInt(slot) << slotShift);
      yield* nodeEntries(kernel, walk, entry, place, lower, upper, depth + 1);
    } else if (entry !== 0n) yield { first: lower, last: upper, entry };
    if (upper === last) return;
    lower = upper + 1n;
  }
  throw torn('that ends before its range');
}

/** mte_parent() and mte_parent_slot(): of a node that is not the root, the bits below the slot tell the parent's kind. */
function isParent(found: bigint, expected: bigint): boolean {
  const isRoot = (expected & rootParent) !== 0n;
  return isRoot
    ? found === expected
    : (found & ~((1n << slotShift) - 1n)) === expected && (found & rootParent) === 0n;
}
