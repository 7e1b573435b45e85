import type { Kernel } from './kernel.js';
import { hex, inconsistent } from './lists.js';

/** Bytes of a page. */
export const pageSize = 4096;

/** Where the array of all `struct page`s is when its place is not drawn at boot: arch/x86/mm, by levels of page tables. */
const fixedVmemmap = { 4: 0xffffea0000000000n, 5: 0xffd4000000000000n } as const;

/**
 * How the address of a `struct page` becomes the physical address of what it describes. x86-64 keeps all of them in
 * one virtual array (CONFIG_SPARSEMEM_VMEMMAP), in the order of the page frames.
 *
 * @throws OuaError `GUEST_INCONSISTENT`, also by the function that is returned, for what is no `struct page`
 */
export function frames(kernel: Kernel): (page: bigint) => number {
  const symbol = kernel.find('vmemmap_base');
  const base = symbol === undefined ? fixedVmemmap[kernel.location.levels] : kernel.pointer(symbol);
  const size = BigInt(kernel.layout('page').size);
  return (page) => {
    const offset = page - base;
    if (offset < 0n || offset % size !== 0n || offset / size >= 2n ** 40n)
      throw inconsistent(`there is no struct page at ${hex(page)}`);
    return Number(offset / size) * pageSize;
  };
}
