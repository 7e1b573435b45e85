import type { Kernel } from '../kernel/kernel.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';
import { readWord } from '../kernel/words.js';
import { ticksPerSecond } from './time.js';

/** An aarch64 processor as `/proc/cpuinfo` describes it to 64-bit programs (`arch/arm64/kernel/cpuinfo.c`). */
export interface Aarch64CpuInfo {
  readonly architecture: 'aarch64';
  readonly processor: number;
  /** Hundredths. */
  readonly bogoMips: bigint;
  readonly features: readonly string[];
  /** The fields of MIDR_EL1 (Arm ARM, D23). */
  readonly implementer: number;
  readonly variant: number;
  readonly part: number;
  readonly revision: number;
}

const maxName = 32;
const wordBits = 64;

export function readAarch64CpuInfo(kernel: Kernel): Aarch64CpuInfo[] {
  const features = featureNames(kernel);
  const loops = kernel.pointer(kernel.symbol('loops_per_jiffy'));
  const bogoMips = loops / (5000n / BigInt(ticksPerSecond(kernel)));
  return cpusIn(kernel, '__cpu_online_mask').map((processor) => {
    const cpu = kernel.view('cpuinfo_arm64', perCpuAddress(kernel, kernel.symbol('cpu_data'), processor));
    const midr = cpu.uint('midr');
    return {
      architecture: 'aarch64',
      processor,
      bogoMips,
      features,
      implementer: (midr >>> 24) & 0xff,
      variant: (midr >>> 20) & 0xf,
      part: (midr >>> 4) & 0xfff,
      revision: midr & 0xf,
    };
  });
}

/**
 * What each word of elf_hwcap begins with in hwcap_str. Kernels have one (5.10) or more, and their table says how many:
 * what is behind its end is something else.
 */
const firstOfWord = ['fp', 'dcpodp', 'mtefar'];

/** The features that all processors have: the bits of elf_hwcap, named by hwcap_str. */
function featureNames(kernel: Kernel): string[] {
  const [bitmap, table] = [kernel.symbol('elf_hwcap'), kernel.symbol('hwcap_str')];
  const names: string[] = [];
  for (const [word, first] of firstOfWord.entries()) {
    const start = table + BigInt(word * wordBits * 8);
    if (word > 0 && nameAt(kernel, start) !== first) break;
    const bits = kernel.pointer(bitmap + BigInt(word * 8));
    for (let bit = 0; bit < wordBits; bit++) {
      if (!((bits >> BigInt(bit)) & 1n)) continue;
      const name = nameAt(kernel, start + BigInt(bit * 8));
      if (name !== undefined) names.push(name);
    }
  }
  return names;
}

/** The name that a slot of the table points at; undefined for an empty one, and for one that is no slot of it. */
function nameAt(kernel: Kernel, slot: bigint): string | undefined {
  const bytes = kernel.readIfMapped(slot, 8);
  const address = bytes ? readWord(bytes, 0) : 0n;
  const text = address === 0n ? undefined : kernel.readIfMapped(address, maxName);
  const end = text?.indexOf(0) ?? -1;
  return end < 0 ? undefined : text?.toString('latin1', 0, end);
}
