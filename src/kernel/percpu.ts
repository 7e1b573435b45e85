import type { Kernel } from './kernel.js';
import { inconsistent } from './lists.js';

/** NR_CPUS of distributions' kernels is at most 8192. */
const maxCpus = 8192;

/** Number of CPUs that a `struct cpumask` variable has room for: nr_cpu_ids. */
export function cpuIds(kernel: Kernel): number {
  const count = kernel.u32(kernel.symbol('nr_cpu_ids'));
  if (count < 1 || count > maxCpus) throw inconsistent(`nr_cpu_ids is ${count}`);
  return count;
}

/** The numbers of the CPUs in a mask, e.g. `__cpu_online_mask`. */
export function cpusIn(
  kernel: Kernel,
  mask: '__cpu_online_mask' | '__cpu_present_mask' | '__cpu_possible_mask',
): number[] {
  const count = cpuIds(kernel);
  const bytes = kernel.read(kernel.symbol(mask), Math.ceil(count / 64) * 8);
  const cpus: number[] = [];
  for (let cpu = 0; cpu < count; cpu++) if (((bytes[cpu >>> 3] ?? 0) >>> (cpu & 7)) & 1) cpus.push(cpu);
  return cpus;
}

/** Where a per-CPU variable, named by its symbol or its per-CPU pointer, is for one CPU. */
export function perCpuAddress(kernel: Kernel, variable: bigint, cpu: number): bigint {
  const offset = kernel.pointer(kernel.symbol('__per_cpu_offset') + BigInt(cpu * 8));
  return BigInt.asUintN(64, variable + offset);
}

/** percpu_counter_sum(): the counter with what each CPU has not yet added to it. */
export function perCpuCounterSum(kernel: Kernel, address: bigint): bigint {
  const counter = kernel.view('percpu_counter', address);
  let sum = BigInt.asIntN(64, counter.u64('count'));
  const counters = counter.pointer('counters');
  for (const cpu of cpusIn(kernel, '__cpu_online_mask'))
    sum += BigInt(kernel.i32(perCpuAddress(kernel, counters, cpu)));
  return sum;
}
