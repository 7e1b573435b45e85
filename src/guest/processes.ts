import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import { readCommandLine } from './command-line.js';
import { adjustCpuTime } from './cpu-time.js';
import { readCredentials } from './credentials.js';
import type { Process } from './guest.js';
import { stateLetter } from './task-state.js';
import { threadGroups, threads, type Task } from './tasks.js';

const PF_KTHREAD = 0x00200000;
const MAX_RT_PRIO = 100;
/** static_prio of nice 0. */
const DEFAULT_PRIO = 120;

type Signal = StructView<'signal_struct'>;
type Mm = StructView<'mm_struct'>;

/** All thread groups by pid, as `/proc` lists them. */
export function readProcesses(kernel: Kernel): Process[] {
  const processes: Process[] = [];
  const seen = new Set<number>();
  for (const task of threadGroups(kernel)) {
    const process = readProcess(kernel, task);
    if (seen.has(process.pid)) throw inconsistent(`two processes have the pid ${process.pid}`);
    seen.add(process.pid);
    processes.push(process);
  }
  return processes.sort((a, b) => a.pid - b.pid);
}

function readProcess(kernel: Kernel, task: Task): Process {
  const signal = kernel.view('signal_struct', task.pointer('signal'));
  const mmAddress = task.pointer('mm');
  const flags = task.uint('flags');
  const kernelThread = (flags & PF_KTHREAD) !== 0;
  // A kernel thread may borrow a process's memory (kthread_use_mm): it is not its own.
  const mm = mmAddress === 0n || kernelThread ? undefined : kernel.view('mm_struct', mmAddress);
  return {
    pid: task.int('pid'),
    ppid: kernel.view('task_struct', task.pointer('real_parent')).int('tgid'),
    pgrp: pidNumber(kernel, signal, 'PIDTYPE_PGID'),
    session: pidNumber(kernel, signal, 'PIDTYPE_SID'),
    comm: task.text('comm'),
    state: stateLetter(task.uint('state'), task.uint('exit_state')),
    flags,
    kernelThread,
    ...readCredentials(kernel, task.pointer('real_cred')),
    threads: signal.int('nr_threads'),
    startBootTime: task.u64('start_boottime'),
    ...readAccounts(kernel, task, signal),
    cutime: signal.u64('cutime'),
    cstime: signal.u64('cstime'),
    childMinFaults: signal.u64('cmin_flt'),
    childMajFaults: signal.u64('cmaj_flt'),
    priority: task.int('prio') - MAX_RT_PRIO,
    nice: task.int('static_prio') - DEFAULT_PRIO,
    policy: task.uint('policy'),
    rtPriority: task.uint('rt_priority'),
    processor: task.uint('cpu'),
    ttyNr: ttyNumber(kernel, signal.pointer('tty')),
    vsize: mm ? mm.u64('total_vm') * 4096n : 0n,
    rss: mm ? residentPages(kernel, mm) : 0n,
    cmdline: mm ? readCommandLine(kernel, mm) : Buffer.alloc(0),
  };
}

/** Sums over the group's threads and those that have ended: thread_group_cputime() and do_task_stat(). */
function readAccounts(kernel: Kernel, leader: Task, signal: Signal) {
  let utime = signal.u64('utime');
  let stime = signal.u64('stime');
  let runtime = signal.u64('sum_sched_runtime');
  let minFaults = signal.u64('min_flt');
  let majFaults = signal.u64('maj_flt');
  for (const thread of threads(kernel, leader, signal)) {
    utime += thread.u64('utime');
    stime += thread.u64('stime');
    runtime += thread.u64('sum_exec_runtime');
    minFaults += thread.u64('min_flt');
    majFaults += thread.u64('maj_flt');
  }
  const previous = { utime: signal.u64('prev_utime'), stime: signal.u64('prev_stime') };
  return { ...adjustCpuTime({ utime, stime }, runtime, previous), minFaults, majFaults };
}

/** The number in the initial namespace of a group's process group or session, 0 for none. */
function pidNumber(kernel: Kernel, signal: Signal, type: 'PIDTYPE_PGID' | 'PIDTYPE_SID'): number {
  const index = kernel.enumerator(type);
  const pids = signal.raw('pids');
  if (index === undefined || index * 8 + 8 > pids.length)
    throw inconsistent(`the signal_struct at ${hex(signal.address)} has no ${type}`);
  const pid = pids.readBigUInt64LE(index * 8);
  if (pid === 0n) return 0;
  return kernel.view('upid', pid + BigInt(kernel.offset('pid', 'numbers'))).int('nr');
}

/** tty_devnum() in new_encode_dev()'s form. */
function ttyNumber(kernel: Kernel, address: bigint): number {
  if (address === 0n) return 0;
  const tty = kernel.view('tty_struct', address);
  const driver = kernel.view('tty_driver', tty.pointer('driver'));
  const minor = driver.int('minor_start') + tty.int('index');
  return ((minor & 0xff) | (driver.int('major') << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

/**
 * get_mm_rss(): file, anonymous and shared pages. Per-CPU counters (6.2 and later) are taken as `/proc` prints
 * them, without what the CPUs have not yet added up.
 */
function residentPages(kernel: Kernel, mm: Mm): bigint {
  const counters = mm.raw('rss_stat');
  const perCpu = counters.length > 64;
  const stride = perCpu ? kernel.layout('percpu_counter').size : 8;
  const offset = perCpu ? kernel.offset('percpu_counter', 'count') : 0;
  let pages = 0n;
  for (const name of ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SHMEMPAGES'] as const) {
    const at = (kernel.enumerator(name) ?? Infinity) * stride + offset;
    if (at + 8 > counters.length) throw inconsistent(`the mm_struct at ${hex(mm.address)} has no ${name}`);
    const count = counters.readBigInt64LE(at);
    if (count > 0n) pages += count;
  }
  return pages;
}
