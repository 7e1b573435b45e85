import type { Kernel } from '../kernel/kernel.js';
import type { Task } from './tasks.js';

const PF_WQ_WORKER = 0x20;
const PF_KTHREAD = 0x00200000;
const maxName = 64;

/**
 * The name that `/proc` shows: a kernel thread's full one where the 15 bytes of `comm` were too few, and what
 * a kernel worker works on (proc_task_name(), `fs/proc/array.c`).
 */
export function taskName(kernel: Kernel, task: Task): string {
  const comm = task.text('comm');
  if ((task.uint('flags') & PF_KTHREAD) === 0 || !task.has('worker_private')) return comm;
  const address = task.pointer('worker_private');
  if (address === 0n) return comm;
  const thread = kernel.view('kthread', address);
  if (task.uint('flags') & PF_WQ_WORKER) return comm + workDescription(kernel, thread.pointer('data'));
  const full = thread.has('full_name') ? thread.pointer('full_name') : 0n;
  return full === 0n ? comm : kernel.text(full, maxName);
}

/** wq_worker_comm(): `+` while it works, `-` after. */
function workDescription(kernel: Kernel, address: bigint): string {
  if (address === 0n) return '';
  const worker = kernel.view('worker', address);
  const description = worker.text('desc');
  if (worker.pointer('pool') === 0n || description === '') return '';
  return `${worker.pointer('current_work') === 0n ? '-' : '+'}${description}`;
}
