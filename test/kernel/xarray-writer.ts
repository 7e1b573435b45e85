import type { Arena, SyntheticTypes } from './synthetic-kernel.js';

/** As x86-64 kernels lay them out, `include/linux/xarray.h`. */
export const xarrayTypes = {
  xarray: { size: 16, members: { xa_head: [8, 8] } },
  xa_node: {
    size: 576,
    members: {
      shift: [0, 1],
      offset: [1, 1],
      count: [2, 1],
      parent: [8, 8],
      array: [16, 8],
      slots: [40, 512],
    },
  },
} as const satisfies SyntheticTypes['structs'];

const chunkShift = 6;

/** What to store: 2^order indices from `index` on, which order divides. */
export interface StoredEntry {
  readonly index: number;
  readonly order: number;
  readonly entry: bigint;
}

export interface WrittenXarray {
  /** Of the `struct xarray`. */
  readonly address: bigint;
  /** Addresses of its nodes, parents first. */
  readonly nodes: readonly bigint[];
}

/** Writes an xarray with these entries, as xa_store() would leave it. */
export function writeXarray(
  arena: Arena,
  entries: readonly StoredEntry[],
  address: bigint = arena.allocate(16),
): WrittenXarray {
  const nodes: bigint[] = [];
  const write = (
    within: readonly StoredEntry[],
    base: number,
    shift: number,
    parent: bigint,
    offset: number,
  ) => {
    const node = arena.allocate(576, 64);
    nodes.push(node);
    arena.u8(node, shift);
    // A root's is never written.
    arena.u8(node + 1n, parent === 0n ? 5 : offset);
    arena.u64(node + 8n, parent);
    arena.u64(node + 16n, address);
    const reach = 2 ** shift;
    let count = 0;
    const set = (slot: number, entry: bigint) => {
      arena.u64(node + 40n + BigInt(slot * 8), entry);
      count++;
    };
    for (let slot = 0; slot < 64; slot++) {
      const start = base + slot * reach;
      const here = within.filter(({ index }) => index >= start && index < start + reach);
      const [first] = here;
      if (!first) continue;
      if (first.order < shift) {
        set(slot, write(here, start, shift - chunkShift, node, slot) + 2n);
        continue;
      }
      set(slot, first.entry);
      const slots = 2 ** (first.order - shift);
      for (let next = 1; next < slots; next++) set(slot + next, (BigInt(slot) << 2n) | 2n);
      slot += slots - 1;
    }
    arena.u8(node + 2n, count);
    return node;
  };
  const last = Math.max(0, ...entries.map(({ index, order }) => index + 2 ** order - 1));
  const [only] = entries;
  if (only && last === 0) arena.u64(address + 8n, only.entry);
  else if (only) {
    let shift = 0;
    while (last >= 64 * 2 ** shift) shift += chunkShift;
    arena.u64(address + 8n, write(entries, 0, shift, 0n, 0) + 2n);
  }
  return { address, nodes };
}
