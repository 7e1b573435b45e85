import type { BlockDevice } from './block-devices.js';
import type { CpuAccounting } from './cpu-accounting.js';
import type { CpuInfo } from './cpu-info.js';
import type { DeviceNumbers } from './device-numbers.js';
import type { Interrupts } from './interrupts.js';
import type { SwapArea } from './swaps.js';
import type { VmCounters } from './vm-counters.js';

/**
 * The guest's hardware and its counters, by subject. Methods throw OuaError `KERNEL_UNSUPPORTED` when this kernel
 * keeps a subject in a way that is not known, and `GUEST_INCONSISTENT` when its structures contradict themselves.
 */
export interface SystemState {
  cpuAccounting(): CpuAccounting;
  interrupts(): Interrupts;
  /** The processors that are online. */
  cpuInfo(): readonly CpuInfo[];
  deviceNumbers(): DeviceNumbers;
  blockDevices(): readonly BlockDevice[];
  swaps(): readonly SwapArea[];
  vmCounters(): VmCounters;
}
