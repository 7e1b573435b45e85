import type { Kernel } from '../kernel/kernel.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';
import { ownInterrupts } from './interrupts.js';
import { idleTimes, readClock } from './time.js';

/** What one CPU did, in nanoseconds: the columns of `/proc/stat`. */
export type CpuTimes = readonly bigint[];

/** What `/proc/stat` and `/proc/softirqs` count (`fs/proc/stat.c`). */
export interface CpuAccounting {
  /** Sums over all possible CPUs: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice. */
  readonly total: CpuTimes;
  /** The same of each CPU that is online, by its number. */
  readonly online: readonly (readonly [cpu: number, times: CpuTimes])[];
  /** All of them, those with numbers among them. */
  readonly interrupts: bigint;
  readonly contextSwitches: bigint;
  /** Seconds since the epoch. */
  readonly bootTime: bigint;
  readonly forks: bigint;
  readonly running: number;
  readonly blocked: number;
  /** Software interrupts by their kind; of each its name, and its counts on all possible CPUs. */
  readonly softIrqs: readonly { readonly name: string; readonly counts: readonly number[] }[];
}

const columns = [
  'CPUTIME_USER',
  'CPUTIME_NICE',
  'CPUTIME_SYSTEM',
  'CPUTIME_IDLE',
  'CPUTIME_IOWAIT',
  'CPUTIME_IRQ',
  'CPUTIME_SOFTIRQ',
  'CPUTIME_STEAL',
  'CPUTIME_GUEST',
  'CPUTIME_GUEST_NICE',
] as const;
const idleColumn = 3;
const iowaitColumn = 4;
const nsPerSecond = 1_000_000_000n;
const maxName = 32;

export function readCpuAccounting(kernel: Kernel): CpuAccounting {
  const possible = cpusIn(kernel, '__cpu_possible_mask');
  const online = new Set(cpusIn(kernel, '__cpu_online_mask'));
  const clock = readClock(kernel);
  const times = possible.map((cpu) => [cpu, cpuTimes(kernel, cpu, clock.monotonic)] as const);
  const queues = possible.map((cpu) => kernel.view('rq', ofCpu(kernel, 'runqueues', cpu)));
  const stats = possible.map((cpu) => kernel.view('kernel_stat', ofCpu(kernel, 'kstat', cpu)));
  return {
    total: columns.map((_, column) => times.reduce((sum, [, row]) => sum + (row[column] ?? 0n), 0n)),
    online: times.filter(([cpu]) => online.has(cpu)),
    interrupts: stats.reduce(
      (sum, stat) => sum + stat.u64('irqs_sum'),
      ownInterrupts(kernel).sum(kernel, possible),
    ),
    contextSwitches: queues.reduce((sum, queue) => sum + queue.u64('nr_switches'), 0n),
    bootTime: clock.bootedAt / nsPerSecond,
    forks: kernel.pointer(kernel.symbol('total_forks')),
    running: queues.reduce((sum, queue) => sum + queue.uint('nr_running'), 0),
    blocked: queues.reduce((sum, queue) => sum + queue.int('nr_iowait'), 0),
    softIrqs: softIrqNames(kernel, (stats[0]?.raw('softirqs').length ?? 0) / 4).map((name, index) => ({
      name,
      counts: stats.map((stat) => stat.raw('softirqs').readUInt32LE(index * 4)),
    })),
  };
}

function cpuTimes(kernel: Kernel, cpu: number, now: bigint): CpuTimes {
  const stat = kernel.view('kernel_cpustat', ofCpu(kernel, 'kernel_cpustat', cpu)).raw('cpustat');
  const times = columns.map((name) => {
    const index = kernel.enumerator(name);
    return index === undefined ? 0n : stat.readBigUInt64LE(index * 8);
  });
  const { idle, iowait } = idleTimes(kernel, cpu, now);
  times[idleColumn] = idle;
  times[iowaitColumn] = iowait;
  return times;
}

function softIrqNames(kernel: Kernel, count: number): string[] {
  const names = kernel.symbol('softirq_to_name');
  return Array.from({ length: count }, (_, index) =>
    kernel.text(kernel.pointer(names + BigInt(index * 8)), maxName),
  );
}

function ofCpu(kernel: Kernel, symbol: string, cpu: number): bigint {
  return perCpuAddress(kernel, kernel.symbol(symbol), cpu);
}
