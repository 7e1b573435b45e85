/** CPU time in nanoseconds. */
export interface CpuTime {
  readonly utime: bigint;
  readonly stime: bigint;
}

/**
 * User and system time as `/proc/<pid>/stat` shows them: the precise run time, divided in the ratio that the
 * ticks saw, and never less than shown before. cputime_adjust(), `kernel/sched/cputime.c`.
 *
 * @param ticks what the ticks counted
 * @param runtime precise run time, nanoseconds
 * @param previous what was shown last
 */
export function adjustCpuTime(ticks: CpuTime, runtime: bigint, previous: CpuTime): CpuTime {
  if (previous.stime + previous.utime >= runtime) return previous;
  let stime: bigint;
  if (ticks.stime === 0n) stime = 0n;
  else if (ticks.utime === 0n) stime = runtime;
  else stime = (ticks.stime * runtime) / (ticks.stime + ticks.utime);
  if (stime < previous.stime) stime = previous.stime;
  let utime = runtime - stime;
  if (utime < previous.utime) {
    utime = previous.utime;
    stime = runtime - utime;
  }
  return { utime, stime };
}
