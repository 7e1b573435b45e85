import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import { taskName } from './comm.js';
import { adjustCpuTime } from './cpu-time.js';
import { readCredentials } from './credentials.js';
import type { Process, Thread } from './guest.js';
import { threadDetail } from './process-detail.js';
import { scheduling } from './processes.js';
import { stateLetter } from './task-state.js';
import { threadGroups, threads, type Task } from './tasks.js';

/**
 * The threads of each process, by its pid: what is in `/proc/<pid>/task`. What they have in common is their process's;
 * do_task_stat() of `fs/proc/array.c` with `whole` 0 says what is not.
 */
export function readThreads(kernel: Kernel, processes: readonly Process[]): Map<number, Thread[]> {
  const byPid = new Map(processes.map((process) => [process.pid, process]));
  const found = new Map<number, Thread[]>();
  for (const leader of threadGroups(kernel)) {
    const process = byPid.get(leader.int('pid'));
    if (!process) throw inconsistent(`the process ${leader.int('pid')} is not among the processes`);
    const signal = kernel.view('signal_struct', leader.pointer('signal'));
    const group: Thread[] = [];
    for (const task of threads(kernel, leader, signal)) group.push(readThread(kernel, task, process));
    found.set(process.pid, group);
  }
  return found;
}

function readThread(kernel: Kernel, task: Task, process: Process): Thread {
  const own = {
    pid: task.int('pid'),
    tgid: process.pid,
    comm: taskName(kernel, task),
    state: stateLetter(task.uint('state'), task.uint('exit_state')),
    flags: task.uint('flags'),
    ...readCredentials(kernel, task.pointer('real_cred')),
    startBootTime: task.u64('start_boottime'),
    ...adjustCpuTime({ utime: task.u64('utime'), stime: task.u64('stime') }, task.u64('sum_exec_runtime'), {
      utime: task.u64('prev_utime'),
      stime: task.u64('prev_stime'),
    }),
    minFaults: task.u64('min_flt'),
    majFaults: task.u64('maj_flt'),
    ...scheduling(task),
  };
  return process.detail
    ? { ...process, ...own, detail: threadDetail(kernel, task, process.detail) }
    : { ...process, ...own };
}
