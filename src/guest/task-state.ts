/** Bits of task->__state and ->exit_state, `include/linux/sched.h`; the same since 4.14. */
const TASK_UNINTERRUPTIBLE = 0x2;
const TASK_REPORT = 0x7f;
const TASK_NOLOAD = 0x400;
const TASK_RTLOCK_WAIT = 0x1000;
const TASK_FROZEN = 0x8000;
const TASK_IDLE = TASK_UNINTERRUPTIBLE | TASK_NOLOAD;

/** Letters by the highest state bit that is reported, fs/proc/array.c. */
const letters = 'RSDTtXZPI';

/** The letter of proc(5) `stat` field 3: task_state_index() of the kernel. */
export function stateLetter(state: number, exitState: number): string {
  if ((state & TASK_IDLE) === TASK_IDLE) return 'I';
  if (state & (TASK_RTLOCK_WAIT | TASK_FROZEN)) return 'D';
  const reported = (state | exitState) & TASK_REPORT;
  return letters[32 - Math.clz32(reported)] ?? '?';
}
