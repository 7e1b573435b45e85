import type { Kernel } from '../kernel/kernel.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';

const nsPerSecond = 1e9;
/** TS_FLAG_IDLE_ACTIVE, `kernel/time/tick-sched.h`. */
const TS_FLAG_IDLE_ACTIVE = 4;

/** Nanoseconds at the guest's last clock update, which is at most one sleep of an idle CPU before the suspend. */
interface Clock {
  /** Since the epoch. */
  readonly real: bigint;
  readonly monotonic: bigint;
  readonly boot: bigint;
  /** When the guest was booted, since the epoch. */
  readonly bootedAt: bigint;
}

export function readClock(kernel: Kernel): Clock {
  // tk_core became the first of timekeeper_data[] in 6.17
  const core = kernel.find('tk_core') ?? kernel.symbol('timekeeper_data');
  const keeper = kernel.view('timekeeper', kernel.view('tk_data', core).at('timekeeper'));
  const nanoseconds = keeper.u64('mono_xtime_nsec') >> BigInt(keeper.uint('mono_shift'));
  const monotonic = keeper.u64('mono_base') + nanoseconds;
  return {
    real: keeper.u64('xtime_sec') * BigInt(nsPerSecond) + nanoseconds,
    monotonic,
    boot: monotonic + keeper.u64('offs_boot'),
    bootedAt: keeper.u64('offs_real') - keeper.u64('offs_boot'),
  };
}

/** Seconds since the epoch. */
export function readWallClock(kernel: Kernel): number {
  return Number(readClock(kernel).real) / nsPerSecond;
}

/** What `/proc/uptime` shows, in seconds. */
export function readUptime(kernel: Kernel): { up: number; idle: number } {
  const clock = readClock(kernel);
  let idle = 0n;
  for (const cpu of cpusIn(kernel, '__cpu_possible_mask'))
    idle += idleTimes(kernel, cpu, clock.monotonic).idle;
  return { up: Number(clock.boot) / nsPerSecond, idle: Number(idle) / nsPerSecond };
}

/**
 * get_idle_time() and get_iowait_time(), in nanoseconds: what the tick code measured, or the ticks' own count where
 * it does not measure. While a CPU is idle its time goes to the one or the other, by whether a task of it waits.
 */
export function idleTimes(kernel: Kernel, cpu: number, now: bigint): { idle: bigint; iowait: bigint } {
  if (kernel.find('tick_cpu_sched') !== undefined && kernel.has('tick_sched', 'idle_sleeptime')) {
    const tick = kernel.view('tick_sched', perCpuAddress(kernel, kernel.symbol('tick_cpu_sched'), cpu));
    const active = tick.has('idle_active')
      ? tick.uint('idle_active')
      : tick.uint('flags') & TS_FLAG_IDLE_ACTIVE;
    const [idle, iowait] = [tick.u64('idle_sleeptime'), tick.u64('iowait_sleeptime')];
    if (idle !== 0n) {
      const since = tick.u64('idle_entrytime');
      const sleeping = active && now > since ? now - since : 0n;
      const waits = sleeping > 0n && waitingTasks(kernel, cpu) > 0;
      return { idle: idle + (waits ? 0n : sleeping), iowait: iowait + (waits ? sleeping : 0n) };
    }
  }
  const stat = kernel
    .view('kernel_cpustat', perCpuAddress(kernel, kernel.symbol('kernel_cpustat'), cpu))
    .raw('cpustat');
  const time = (name: string) => stat.readBigUInt64LE((kernel.enumerator(name) ?? 0) * 8);
  return { idle: time('CPUTIME_IDLE'), iowait: time('CPUTIME_IOWAIT') };
}

/** nr_iowait_cpu() */
function waitingTasks(kernel: Kernel, cpu: number): number {
  const queues = kernel.find('runqueues');
  return queues === undefined ? 0 : kernel.view('rq', perCpuAddress(kernel, queues, cpu)).int('nr_iowait');
}

/** CONFIG_HZ, from the clock source that counts ticks: its mult is `TICK_NSEC << 8` (`kernel/time/jiffies.c`). */
export function ticksPerSecond(kernel: Kernel): number {
  const source = kernel.view('clocksource', kernel.symbol('clocksource_jiffies'));
  return Math.round(nsPerSecond / Math.max(1, source.uint('mult') >>> 8));
}

/** Fixed point with 11 bits, `include/linux/sched/loadavg.h`. */
const FSHIFT = 11;
const FIXED_1 = 1 << FSHIFT;
const SI_LOAD_SHIFT = 16;

function averages(kernel: Kernel): [number, number, number] {
  const words = kernel.read(kernel.symbol('avenrun'), 24);
  const average = (index: number) => Number(words.readBigUInt64LE(index * 8));
  return [average(0), average(1), average(2)];
}

/** The three load averages in the units of sysinfo(2): get_avenrun() with SI_LOAD_SHIFT. */
export function readLoads(kernel: Kernel): [number, number, number] {
  const unit = 2 ** (SI_LOAD_SHIFT - FSHIFT);
  const [one, five, fifteen] = averages(kernel);
  return [one * unit, five * unit, fifteen * unit];
}

/** The three load averages with the two digits that `/proc/loadavg` shows. */
export function readLoadAverage(kernel: Kernel): [number, number, number] {
  const average = (load: number): number => {
    const value = load + Math.floor(FIXED_1 / 200);
    // Hundredths first: a sum of two parts would not always be the number that its decimals give.
    return Math.floor((value * 100) / FIXED_1) / 100;
  };
  const [one, five, fifteen] = averages(kernel);
  return [average(one), average(five), average(fifteen)];
}
