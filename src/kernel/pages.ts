import { OuaError } from '../base/errors.js';
import type { Kernel } from './kernel.js';
import { hex, inconsistent } from './lists.js';
import { readVmcoreInfo, vmcoreNumber } from './vmcoreinfo.js';

/** Where the array of all `struct page`s is in a kernel that does not draw its place at boot; such a one has no 5 levels. */
const fixedVmemmap = 0xffffea0000000000n;

/**
 * How the address of a `struct page` becomes the physical address of what it describes. All of them are in one
 * virtual array (CONFIG_SPARSEMEM_VMEMMAP), in the order of the page frames.
 *
 * @throws OuaError `KERNEL_UNSUPPORTED` when the kernel does not tell where that is, and `GUEST_INCONSISTENT`, also by
 *   the function that is returned, for what is no `struct page`
 */
export function frames(kernel: Kernel): (page: bigint) => number {
  const { pageSize } = kernel;
  const size = BigInt(kernel.layout('page').size);
  const base = kernel.location.paging.architecture === 'x86-64' ? x86Base(kernel) : aarch64Base(kernel, size);
  return (page) => {
    const offset = page - base;
    if (offset < 0n || offset % size !== 0n || offset / size >= 2n ** 40n)
      throw inconsistent(`there is no struct page at ${hex(page)}`);
    return Number(offset / size) * pageSize;
  };
}

function x86Base(kernel: Kernel): bigint {
  const symbol = kernel.find('vmemmap_base');
  return symbol === undefined ? fixedVmemmap : kernel.pointer(symbol);
}

/** `vmemmap` of arch/arm64/include/asm/pgtable.h: where page frame 0 would be, which is below the RAM. */
function aarch64Base(kernel: Kernel, size: bigint): bigint {
  const info = readVmcoreInfo(kernel);
  const start = info && vmcoreNumber(info, 'NUMBER(VMEMMAP_START)');
  const ram = info && vmcoreNumber(info, 'NUMBER(PHYS_OFFSET)');
  if (start === undefined || ram === undefined)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the kernel ${kernel.release} does not tell where its page frames are described`,
      'what is in its files in memory is not known; the rest of the guest is',
    );
  return start - (BigInt.asIntN(64, ram) / BigInt(kernel.pageSize)) * size;
}
