import type { Aarch64CpuInfo } from '../../guest/cpu-info-aarch64.js';
import type { X86CpuInfo } from '../../guest/cpu-info-x86.js';
import type { Guest } from '../../guest/guest.js';
import { lines } from './text.js';

/**
 * `/proc/cpuinfo` (`show_cpuinfo`, arch/x86/kernel/cpu/proc.c; `c_show`, arch/arm64/kernel/cpuinfo.c): each processor, and
 * an empty line behind it.
 */
export function renderCpuInfo(guest: Guest): string {
  return lines(
    guest
      .cpuInfo()
      .flatMap((cpu) => [...(cpu.architecture === 'x86-64' ? x86Lines(cpu) : aarch64Lines(cpu)), '']),
  );
}

function x86Lines(cpu: X86CpuInfo): string[] {
  const fraction = (value: number) => String(value % 1000).padStart(3, '0');
  return [
    `processor\t: ${cpu.processor}`,
    `vendor_id\t: ${cpu.vendor}`,
    `cpu family\t: ${cpu.family}`,
    `model\t\t: ${cpu.model}`,
    `model name\t: ${cpu.modelName}`,
    `stepping\t: ${cpu.stepping || cpu.cpuidLevel >= 0 ? cpu.stepping : 'unknown'}`,
    ...(cpu.microcode ? [`microcode\t: 0x${cpu.microcode.toString(16)}`] : []),
    ...(cpu.frequency ? [`cpu MHz\t\t: ${Math.floor(cpu.frequency / 1000)}.${fraction(cpu.frequency)}`] : []),
    ...(cpu.cacheSize ? [`cache size\t: ${cpu.cacheSize} KB`] : []),
    `physical id\t: ${cpu.package}`,
    `siblings\t: ${cpu.siblings}`,
    `core id\t\t: ${cpu.core}`,
    `cpu cores\t: ${cpu.cores}`,
    `apicid\t\t: ${cpu.apicId}`,
    `initial apicid\t: ${cpu.initialApicId}`,
    'fpu\t\t: yes',
    'fpu_exception\t: yes',
    `cpuid level\t: ${cpu.cpuidLevel}`,
    'wp\t\t: yes',
    `flags\t\t:${words(cpu.flags)}`,
    ...(cpu.vmxFlags ? [`vmx flags\t:${words(cpu.vmxFlags)}`] : []),
    `bugs\t\t:${words(cpu.bugs)}`,
    `bogomips\t: ${inHundredths(cpu.bogoMips)}`,
    ...(cpu.tlbSize > 0 ? [`TLB size\t: ${cpu.tlbSize} 4K pages`] : []),
    `clflush size\t: ${cpu.clflushSize}`,
    `cache_alignment\t: ${cpu.cacheAlignment}`,
    `address sizes\t: ${cpu.physicalBits} bits physical, ${cpu.virtualBits} bits virtual`,
    `power management:${words(cpu.powerManagement.filter((name) => name !== ''))}`,
  ];
}

function aarch64Lines(cpu: Aarch64CpuInfo): string[] {
  const hex = (value: number, digits: number) => `0x${value.toString(16).padStart(digits, '0')}`;
  return [
    `processor\t: ${cpu.processor}`,
    `BogoMIPS\t: ${inHundredths(cpu.bogoMips)}`,
    `Features\t:${words(cpu.features)}`,
    `CPU implementer\t: ${hex(cpu.implementer, 2)}`,
    'CPU architecture: 8',
    `CPU variant\t: ${hex(cpu.variant, 1)}`,
    `CPU part\t: ${hex(cpu.part, 3)}`,
    `CPU revision\t: ${cpu.revision}`,
  ];
}

const inHundredths = (value: bigint) => `${value / 100n}.${String(value % 100n).padStart(2, '0')}`;
const words = (names: readonly string[]) => names.map((name) => ` ${name}`).join('');
