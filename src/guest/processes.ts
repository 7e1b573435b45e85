import type { Kernel } from '../kernel/kernel.js';
import type { Enumerator } from '../kernel/enumerators.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import { readCommandLine } from './command-line.js';
import { taskName } from './comm.js';
import { adjustCpuTime } from './cpu-time.js';
import { readCgroup } from './cgroup.js';
import { readCredentials } from './credentials.js';
import type { ByProcess, Process } from './guest.js';
import { PathNames } from './path-names.js';
import { placeAt, rootOf } from './paths.js';
import { readDetail } from './process-detail.js';
import { residentPages } from './resident.js';
import { stateLetter } from './task-state.js';
import { findTask, memoryOf, pidNumber, PF_KTHREAD, threadGroups, threads, type Task } from './tasks.js';
import { ttyNumber } from './tty.js';

const MAX_RT_PRIO = 100;
/** static_prio of nice 0. */
const DEFAULT_PRIO = 120;

type Signal = StructView<'signal_struct'>;
type Mm = StructView<'mm_struct'>;

/** All thread groups by pid, as `/proc` lists them. */
export function readProcesses(kernel: Kernel): Process[] {
  const processes: Process[] = [];
  const init = findTask(kernel, 1);
  const names = init && new PathNames(kernel, rootOf(kernel, init));
  const seen = new Set<number>();
  for (const task of threadGroups(kernel)) {
    const process = readProcess(kernel, task, names);
    if (seen.has(process.pid)) throw inconsistent(`two processes have the pid ${process.pid}`);
    seen.add(process.pid);
    processes.push(process);
  }
  for (const { pid, ppid } of processes)
    if (ppid !== 0 && !seen.has(ppid))
      throw inconsistent(`the process ${pid} has the parent ${ppid}, and there is no such process`);
  return processes.sort((a, b) => a.pid - b.pid);
}

/** What `read` finds of each process, by pid, seen from init's root; without those of which it finds nothing. */
export function eachProcess<T>(
  kernel: Kernel,
  read: (names: PathNames, task: Task) => T | undefined,
): ByProcess<T> {
  const init = findTask(kernel, 1);
  if (!init) throw inconsistent('there is no process with the pid 1');
  const names = new PathNames(kernel, rootOf(kernel, init));
  const found = new Map<number, T>();
  for (const task of threadGroups(kernel)) {
    const what = read(names, task);
    if (what !== undefined) found.set(task.int('pid'), what);
  }
  return found;
}

function readProcess(kernel: Kernel, task: Task, names: PathNames | undefined): Process {
  const signal = kernel.view('signal_struct', task.pointer('signal'));
  const flags = task.uint('flags');
  const kernelThread = (flags & PF_KTHREAD) !== 0;
  const mm = memoryOf(kernel, task);
  checkIdentity(kernel, task, signal);
  const accounts = readAccounts(kernel, task, signal);
  return {
    pid: task.int('pid'),
    ppid: kernel.view('task_struct', task.pointer('real_parent')).int('tgid'),
    pgrp: groupNumber(kernel, signal, 'PIDTYPE_PGID'),
    session: groupNumber(kernel, signal, 'PIDTYPE_SID'),
    comm: taskName(kernel, task),
    state: stateLetter(task.uint('state'), task.uint('exit_state')),
    flags,
    kernelThread,
    ...readCredentials(kernel, task.pointer('real_cred')),
    threads: signal.int('nr_threads'),
    tids: accounts.tids,
    startBootTime: task.u64('start_boottime'),
    utime: accounts.utime,
    stime: accounts.stime,
    minFaults: accounts.minFaults,
    majFaults: accounts.majFaults,
    cutime: signal.u64('cutime'),
    cstime: signal.u64('cstime'),
    childMinFaults: signal.u64('cmin_flt'),
    childMajFaults: signal.u64('cmaj_flt'),
    ...scheduling(task),
    ttyNr: ttyNumber(kernel, signal.pointer('tty')),
    vsize: mm ? mm.u64('total_vm') * BigInt(kernel.pageSize) : 0n,
    rss: mm ? residentPages(kernel, mm).total : 0n,
    cmdline: mm ? readCommandLine(kernel, mm) : Buffer.alloc(0),
    detail: readDetail(kernel, task, signal, mm, accounts.guestTime),
    ...optionalPaths(kernel, task, mm, names),
  };
}

/** How one task is scheduled. */
export function scheduling(
  task: Task,
): Pick<Process, 'priority' | 'nice' | 'policy' | 'rtPriority' | 'processor'> {
  return {
    priority: task.int('prio') - MAX_RT_PRIO,
    nice: task.int('static_prio') - DEFAULT_PRIO,
    policy: task.uint('policy'),
    rtPriority: task.uint('rt_priority'),
    processor: task.uint('cpu'),
  };
}

/** What the kernel says twice of a group's leader has to be the same: a wrong pointer rarely leads to the right number. */
function checkIdentity(kernel: Kernel, task: Task, signal: Signal): void {
  const pid = task.int('pid');
  const known = groupNumber(kernel, signal, 'PIDTYPE_TGID');
  if (known !== pid)
    throw inconsistent(`the task at ${hex(task.address)} has the pid ${pid}, its signal_struct ${known}`);
  if (task.pointer('group_leader') !== task.address)
    throw inconsistent(
      `the task at ${hex(task.address)} is on the list of group leaders, but has another leader`,
    );
}

/** Sums over the group's threads and those that have ended: thread_group_cputime() and do_task_stat(). */
function readAccounts(kernel: Kernel, leader: Task, signal: Signal) {
  let utime = signal.u64('utime');
  let stime = signal.u64('stime');
  let runtime = signal.u64('sum_sched_runtime');
  let minFaults = signal.u64('min_flt');
  let majFaults = signal.u64('maj_flt');
  let guestTime = signal.u64('gtime');
  const tids: number[] = [];
  for (const thread of threads(kernel, leader, signal)) {
    tids.push(thread.int('pid'));
    utime += thread.u64('utime');
    stime += thread.u64('stime');
    runtime += thread.u64('sum_exec_runtime');
    minFaults += thread.u64('min_flt');
    majFaults += thread.u64('maj_flt');
    guestTime += thread.u64('gtime');
  }
  if (tids.length !== signal.int('nr_threads'))
    throw inconsistent(
      `the process ${leader.int('pid')} has ${tids.length} threads, and counts ${signal.int('nr_threads')}`,
    );
  const previous = { utime: signal.u64('prev_utime'), stime: signal.u64('prev_stime') };
  return { ...adjustCpuTime({ utime, stime }, runtime, previous), minFaults, majFaults, guestTime, tids };
}

/** The number in the initial namespace of a group's process group or session, 0 for none. */
function groupNumber(kernel: Kernel, signal: Signal, type: Enumerator): number {
  const index = kernel.enumerator(type);
  const pids = signal.raw('pids');
  if (index === undefined || index * 8 + 8 > pids.length)
    throw inconsistent(`the signal_struct at ${hex(signal.address)} has no ${type}`);
  return pidNumber(kernel, pids.readBigUInt64LE(index * 8));
}

/** The control group and the executable, where the process has them. */
function optionalPaths(
  kernel: Kernel,
  task: Task,
  mm: Mm | undefined,
  names: PathNames | undefined,
): Pick<Process, 'cgroup' | 'exe' | 'cwd' | 'root'> {
  const file = mm?.pointer('exe_file') ?? 0n;
  const cgroup = readCgroup(kernel, task);
  const exe = file === 0n || !names ? undefined : names.ofFile(file);
  const fs = task.pointer('fs');
  const directory = (field: 'pwd' | 'root') =>
    fs === 0n || !names ? undefined : names.ofPlace(placeAt(kernel, kernel.view('fs_struct', fs).at(field)));
  const paths = { cgroup, exe, cwd: directory('pwd'), root: directory('root') };
  return Object.fromEntries(
    Object.entries(paths).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}
