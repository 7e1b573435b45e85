import { OuaError } from '../base/errors.js';
import type { Kernel } from './kernel.js';
import { hex, inconsistent } from './lists.js';
import { X86Paging } from './paging-x86-64.js';

/** Bytes of a page. */
export const pageSize = 4096;

/** Where the array of all `struct page`s is in a kernel that does not draw its place at boot; such a one has no 5 levels. */
const fixedVmemmap = 0xffffea0000000000n;

/**
 * How the address of a `struct page` becomes the physical address of what it describes. x86-64 keeps all of them in
 * one virtual array (CONFIG_SPARSEMEM_VMEMMAP), in the order of the page frames.
 *
 * @throws OuaError `KERNEL_UNSUPPORTED` on other architectures, and `GUEST_INCONSISTENT`, also by the function that
 *   is returned, for what is no `struct page`
 */
export function frames(kernel: Kernel): (page: bigint) => number {
  const symbol = kernel.find('vmemmap_base');
  const { paging } = kernel.location;
  if (!(paging instanceof X86Paging))
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the page cache of an ${paging.architecture} guest cannot be read`,
      'what is in its files in memory is not known; the rest of the guest is',
    );
  const base = symbol === undefined ? fixedVmemmap : kernel.pointer(symbol);
  const size = BigInt(kernel.layout('page').size);
  return (page) => {
    const offset = page - base;
    if (offset < 0n || offset % size !== 0n || offset / size >= 2n ** 40n)
      throw inconsistent(`there is no struct page at ${hex(page)}`);
    return Number(offset / size) * pageSize;
  };
}
