import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import { cpuIds, cpusIn, perCpuAddress } from '../kernel/percpu.js';
import type { StructView } from '../kernel/struct-view.js';
import { ticksPerSecond } from './time.js';

type Cpu = StructView<'cpuinfo_x86'>;

/** An x86 processor as `/proc/cpuinfo` describes it (`arch/x86/kernel/cpu/proc.c`). */
export interface X86CpuInfo {
  readonly architecture: 'x86-64';
  readonly processor: number;
  readonly vendor: string;
  readonly family: number;
  readonly model: number;
  readonly modelName: string;
  readonly stepping: number;
  readonly microcode: number;
  /** kHz that the time stamp counter was measured to have; 0 without one. */
  readonly frequency: number;
  /** KiB; 0 when not known. */
  readonly cacheSize: number;
  readonly package: number;
  readonly siblings: number;
  readonly core: number;
  readonly cores: number;
  readonly apicId: number;
  readonly initialApicId: number;
  readonly cpuidLevel: number;
  readonly flags: readonly string[];
  /** Undefined on a processor without VMX. */
  readonly vmxFlags: readonly string[] | undefined;
  readonly bugs: readonly string[];
  /** Hundredths. */
  readonly bogoMips: bigint;
  readonly tlbSize: number;
  readonly clflushSize: number;
  readonly cacheAlignment: number;
  readonly physicalBits: number;
  readonly virtualBits: number;
  readonly powerManagement: readonly string[];
}

/** Bits of x86_capability, `arch/x86/include/asm/cpufeatures.h`. */
const featureTsc = 4;
const featureVmx = 4 * 32 + 5;
const maxWords = 64;
const maxName = 64;
const powerBits = 32;

export function readX86CpuInfo(kernel: Kernel): X86CpuInfo[] {
  const names = flagNames(kernel);
  const hz = BigInt(ticksPerSecond(kernel));
  const frequency = kernel.u32(kernel.symbol('cpu_khz'));
  return cpusIn(kernel, '__cpu_online_mask').map((processor) => {
    const cpu = kernel.view('cpuinfo_x86', perCpuAddress(kernel, kernel.symbol('cpu_info'), processor));
    const capability = cpu.raw('capability');
    const words = capability.length / 4 - names.bugWords;
    const loops = cpu.u64('loops_per_jiffy');
    const vmx = cpu.has('vmx_capability') ? cpu.raw('vmx_capability') : Buffer.alloc(4);
    return {
      architecture: 'x86-64',
      processor,
      vendor: cpu.text('vendor') || 'unknown',
      family: cpu.uint('family'),
      model: cpu.uint('model'),
      modelName: cpu.text('model_id') || 'unknown',
      stepping: cpu.uint('stepping'),
      microcode: cpu.uint('microcode'),
      frequency: isSet(capability, featureTsc) ? frequency : 0,
      cacheSize: cpu.uint('cache_size'),
      package: cpu.uint('package'),
      siblings: siblings(kernel, processor),
      core: cpu.uint('core'),
      cores: cpu.uint('booted_cores'),
      apicId: cpu.uint('apicid'),
      initialApicId: cpu.uint('initial_apicid'),
      cpuidLevel: cpu.int('cpuid_level'),
      flags: namesOf(kernel, names.flags, capability.subarray(0, words * 4)),
      vmxFlags:
        isSet(capability, featureVmx) && vmx.readUInt32LE(0) !== 0 && names.vmx !== undefined
          ? namesOf(kernel, names.vmx, vmx)
          : undefined,
      bugs: namesOf(kernel, names.bugs, capability.subarray(words * 4)),
      bogoMips: loops / (5000n / hz),
      tlbSize: cpu.int('tlbsize'),
      clflushSize: cpu.uint('clflush_size'),
      cacheAlignment: cpu.int('cache_alignment'),
      physicalBits: cpu.uint('phys_bits'),
      virtualBits: cpu.uint('virt_bits'),
      powerManagement: powerManagement(kernel, cpu),
    };
  });
}

interface FlagNames {
  readonly flags: bigint;
  readonly bugs: bigint;
  readonly vmx: bigint | undefined;
  /** Words of x86_capability that are bugs and not features: NBUGINTS. */
  readonly bugWords: number;
}

/**
 * The tables of names lie next to each other, whichever comes first, and have one name for each bit: from where the
 * next one starts follows how many of the capability's words are bugs.
 */
function flagNames(kernel: Kernel): FlagNames {
  const flags = kernel.symbol('x86_cap_flags');
  const bugs = kernel.symbol('x86_bug_flags');
  const vmx = kernel.find('x86_vmx_flags');
  const total = kernel.layout('cpuinfo_x86').members['capability']?.[1] ?? 0;
  const next = [flags, bugs, vmx, kernel.find('x86_power_flags')]
    .filter((address): address is bigint => address !== undefined)
    .sort((a, b) => (a < b ? -1 : 1));
  const wordsFrom = (start: bigint) => {
    const end = next.find((address) => address > start);
    return end === undefined ? undefined : Number(end - start) / (32 * 8);
  };
  const all = total / 4;
  const fits = (words: number | undefined): words is number =>
    words !== undefined && Number.isInteger(words) && words >= 1 && words <= 4 && words < all;
  const flagWords = wordsFrom(flags);
  const bugWords = [wordsFrom(bugs), flagWords === undefined ? undefined : all - flagWords].find(fits);
  if (bugWords === undefined || all > maxWords)
    throw inconsistent(`the names of ${all} words of CPU features cannot be told from those of bugs`);
  return { flags, bugs, vmx, bugWords };
}

/** The names of the bits that are set and have one. */
function namesOf(kernel: Kernel, table: bigint, bits: Buffer): string[] {
  const pointers = kernel.read(table, bits.length * 8 * 8);
  const names: string[] = [];
  for (let bit = 0; bit < bits.length * 8; bit++) {
    if (!isSet(bits, bit)) continue;
    const name = pointers.readBigUInt64LE(bit * 8);
    if (name !== 0n) names.push(kernel.text(name, maxName));
  }
  return names;
}

function isSet(bits: Buffer, bit: number): boolean {
  return ((bits[bit >>> 3] ?? 0) >>> (bit & 7)) % 2 === 1;
}

/** How many threads of the processor's package are online: the weight of its cpu_core_map. */
function siblings(kernel: Kernel, processor: number): number {
  const map = perCpuAddress(kernel, kernel.symbol('cpu_core_map'), processor);
  // A pointer to the mask where masks are large (CONFIG_CPUMASK_OFFSTACK), else the mask: no address that is mapped.
  const bytes = Math.ceil(cpuIds(kernel) / 64) * 8;
  const mask = kernel.readIfMapped(kernel.pointer(map), bytes) ?? kernel.read(map, bytes);
  let count = 0;
  for (let cpu = 0; cpu < cpuIds(kernel); cpu++) if (isSet(mask, cpu)) count++;
  return count;
}

/** x86_power_flags[]: bits beyond the named ones are shown by their number. */
function powerManagement(kernel: Kernel, cpu: Cpu): string[] {
  const bits = cpu.uint('power');
  return Array.from({ length: powerBits }, (_, bit) => bit)
    .filter((bit) => (bits >>> bit) % 2 === 1)
    .map((bit) => powerName(kernel, bit) ?? `[${bit}]`);
}

function powerName(kernel: Kernel, bit: number): string | undefined {
  const name = kernel.pointer(kernel.symbol('x86_power_flags') + BigInt(bit * 8));
  return name === 0n ? undefined : kernel.text(name, maxName);
}
