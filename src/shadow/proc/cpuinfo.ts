import type { CpuInfo } from '../../guest/cpu-info.js';
import type { Guest } from '../../guest/guest.js';
import { lines } from './text.js';

/** `/proc/cpuinfo` (`show_cpuinfo`, arch/x86/kernel/cpu/proc.c): each processor, and an empty line behind it. */
export function renderCpuInfo(guest: Guest): string {
  return lines(guest.cpuInfo().flatMap((cpu) => [...processor(cpu), '']));
}

function processor(cpu: CpuInfo): string[] {
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
    `bogomips\t: ${cpu.bogoMips / 100n}.${String(cpu.bogoMips % 100n).padStart(2, '0')}`,
    ...(cpu.tlbSize > 0 ? [`TLB size\t: ${cpu.tlbSize} 4K pages`] : []),
    `clflush size\t: ${cpu.clflushSize}`,
    `cache_alignment\t: ${cpu.cacheAlignment}`,
    `address sizes\t: ${cpu.physicalBits} bits physical, ${cpu.virtualBits} bits virtual`,
    `power management:${words(cpu.powerManagement.filter((name) => name !== ''))}`,
  ];
}

const words = (names: readonly string[]) => names.map((name) => ` ${name}`).join('');
