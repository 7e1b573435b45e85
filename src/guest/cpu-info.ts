import type { Kernel } from '../kernel/kernel.js';
import type { ArchitectureName } from '../kernel/paging.js';
import { readAarch64CpuInfo, type Aarch64CpuInfo } from './cpu-info-aarch64.js';
import { readX86CpuInfo, type X86CpuInfo } from './cpu-info-x86.js';

/** One processor as `/proc/cpuinfo` describes it. */
export type CpuInfo = X86CpuInfo | Aarch64CpuInfo;

const readers: Readonly<Record<ArchitectureName, (kernel: Kernel) => CpuInfo[]>> = {
  'x86-64': readX86CpuInfo,
  aarch64: readAarch64CpuInfo,
};

export function readCpuInfo(kernel: Kernel): CpuInfo[] {
  return readers[kernel.location.architecture.name](kernel);
}
