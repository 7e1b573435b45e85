import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, listEntries, maxEntries } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

export type Task = StructView<'task_struct'>;

export const PF_KTHREAD = 0x00200000;

/** PID_MAX_LIMIT of 64-bit kernels, `include/linux/threads.h`. */
export const pidLimit = 4 * 1024 * 1024;

/**
 * The leaders of all thread groups, in the order of their creation, without the idle task: what for_each_process()
 * goes through.
 */
export function* threadGroups(kernel: Kernel): Generator<Task> {
  const head = kernel.view('task_struct', kernel.symbol('init_task')).at('tasks');
  for (const link of listEntries(kernel, head, 'tasks')) {
    const task = kernel.container('task_struct', 'tasks', link);
    const pid = task.int('pid');
    if (pid <= 0 || pid > pidLimit) throw inconsistent(`the task at ${hex(task.address)} has the pid ${pid}`);
    if (task.int('tgid') !== pid)
      throw inconsistent(`the task at ${hex(task.address)} is on the list of group leaders, but is a thread`);
    yield task;
  }
}

/** The threads of a group, its leader first. */
export function* threads(kernel: Kernel, leader: Task, signal: StructView<'signal_struct'>): Generator<Task> {
  let count = 0;
  for (const link of listEntries(kernel, signal.at('thread_head'), `threads of pid ${leader.int('pid')}`)) {
    if (++count > maxEntries) return;
    const thread = kernel.container('task_struct', 'thread_node', link);
    if (thread.int('tgid') !== leader.int('pid') || thread.pointer('signal') !== signal.address)
      throw inconsistent(`the task at ${hex(thread.address)} is among the threads of another process`);
    yield thread;
  }
}

/** The task with a pid, among the group leaders, or undefined. */
export function findTask(kernel: Kernel, pid: number): Task | undefined {
  for (const task of threadGroups(kernel)) if (task.int('pid') === pid) return task;
  return undefined;
}

/** The number of a `struct pid` in the initial namespace, 0 for none. */
export function pidNumber(kernel: Kernel, pid: bigint): number {
  return pid === 0n ? 0 : kernel.view('upid', pid + BigInt(kernel.offset('pid', 'numbers'))).int('nr');
}

/** The memory of a task, if it has any of its own: a kernel thread may borrow a process's (kthread_use_mm). */
export function memoryOf(kernel: Kernel, task: Task): StructView<'mm_struct'> | undefined {
  const address = task.pointer('mm');
  return address === 0n || (task.uint('flags') & PF_KTHREAD) !== 0
    ? undefined
    : kernel.view('mm_struct', address);
}
