import type { MapleEntry } from '../../src/kernel/maple-tree.js';
import type { Arena, SyntheticTypes } from './synthetic-kernel.js';

/** As x86-64 kernels lay them out, `include/linux/maple_tree.h`. */
export const mapleTypes = {
  maple_tree: { size: 16, members: { ma_root: [8, 8] } },
  maple_range_64: { size: 256, members: { parent: [0, 8], pivot: [8, 120], slot: [128, 128] } },
  maple_arange_64: { size: 256, members: { parent: [0, 8], pivot: [8, 72], slot: [80, 80] } },
} as const satisfies SyntheticTypes['structs'];

/** Kind of node, its number as `enum maple_type`, its slots and where they are. */
const kinds = {
  leaf: { type: 1n, slots: 16, slotsAt: 128n },
  range: { type: 2n, slots: 16, slotsAt: 128n },
  arange: { type: 3n, slots: 10, slotsAt: 80n },
} as const;

const maxIndex = 2n ** 64n - 1n;

export interface WrittenMapleTree {
  /** Of the `struct maple_tree`. */
  readonly address: bigint;
  /** Addresses of its nodes, parents first. */
  readonly nodes: readonly bigint[];
}

/** A part of a tree: what stands for the range up to `last`. */
interface Slot {
  readonly last: bigint;
  readonly entry: bigint | Slot[];
}

/** Writes a maple tree of these entries, ascending and apart, whose nodes have at most `fill` slots in use. */
export function writeMapleTree(
  arena: Arena,
  entries: readonly MapleEntry[],
  inner: 'range' | 'arange',
  fill = 10,
): WrittenMapleTree {
  const address = arena.allocate(16);
  const nodes: bigint[] = [];
  let level = slotsOf(entries);
  while (level.length > fill) level = grouped(level, fill);
  const write = (slots: readonly Slot[], parent: bigint, last: bigint): bigint => {
    const isLeaf = !slots.some(({ entry }) => Array.isArray(entry));
    const kind = kinds[isLeaf ? 'leaf' : inner];
    const node = arena.allocate(256, 256);
    nodes.push(node);
    arena.u64(node, parent);
    slots.forEach((slot, index) => {
      // The last pivot in use may be left out, and there is none for the last slot of a full node.
      if (index === 0 || slot.last !== last) arena.u64(node + 8n + BigInt(index * 8), slot.last);
      // MAPLE_PARENT_RANGE64
      const place = node | (BigInt(index) << 3n) | 6n;
      const entry = Array.isArray(slot.entry) ? write(slot.entry, place, slot.last) : slot.entry;
      arena.u64(node + kind.slotsAt + BigInt(index * 8), entry);
    });
    return node | (kind.type << 3n) | 4n;
  };
  // mte_mk_root()
  arena.u64(address + 8n, write(level, address | 1n, maxIndex) | 2n);
  return { address, nodes };
}

/** With empty slots between the entries and behind them. */
function slotsOf(entries: readonly MapleEntry[]): Slot[] {
  const slots: Slot[] = [];
  let next = 0n;
  for (const { first, last, entry } of entries) {
    if (first > next) slots.push({ last: first - 1n, entry: 0n });
    slots.push({ last, entry });
    next = last + 1n;
  }
  if (next <= maxIndex) slots.push({ last: maxIndex, entry: 0n });
  return slots;
}

function grouped(slots: readonly Slot[], fill: number): Slot[] {
  const groups: Slot[] = [];
  for (let at = 0; at < slots.length; at += fill) {
    const group = slots.slice(at, at + fill);
    groups.push({ last: (group.at(-1) as Slot).last, entry: group });
  }
  return groups;
}
