import type { Process } from '../../guest/guest.js';
import { ioCounters, type ProcessResources } from '../../guest/process-resources.js';
import { lines } from './text.js';

/** `lnames`, fs/proc/base.c. */
const limitNames: readonly (readonly [name: string, unit?: string])[] = [
  ['Max cpu time', 'seconds'],
  ['Max file size', 'bytes'],
  ['Max data size', 'bytes'],
  ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'],
  ['Max resident set', 'bytes'],
  ['Max processes', 'processes'],
  ['Max open files', 'files'],
  ['Max locked memory', 'bytes'],
  ['Max address space', 'bytes'],
  ['Max file locks', 'locks'],
  ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'],
  ['Max nice priority'],
  ['Max realtime priority'],
  ['Max realtime timeout', 'us'],
];
const unlimited = 0xffff_ffff_ffff_ffffn;

/** `/proc/<pid>/limits` (`proc_pid_limits`, fs/proc/base.c). */
export function renderLimits({ detail }: Process): string | undefined {
  const limits = detail?.limits;
  if (!limits) return undefined;
  const value = (limit: bigint) => `${limit === unlimited ? 'unlimited' : limit}`.padEnd(20);
  return lines([
    'Limit                     Soft Limit           Hard Limit           Units     ',
    ...limitNames.flatMap(([name, unit], index) => {
      const limit = limits[index];
      const units = unit === undefined ? '' : unit.padEnd(10);
      return limit ? [`${name.padEnd(25)} ${value(limit[0])} ${value(limit[1])} ${units}`] : [];
    }),
  ]);
}

/** `/proc/<pid>/io` (`do_io_accounting`, fs/proc/base.c). */
export function renderIo({ io }: ProcessResources): string {
  return lines(ioCounters.map((name) => `${name}: ${io[name]}`));
}

/** `/proc/<pid>/oom_adj` (`oom_adj_read`, fs/proc/base.c): the older scale, from -17 to 15. */
export function renderOomAdj({ oomScoreAdjustment }: ProcessResources): string {
  const scaled = oomScoreAdjustment === 1000 ? 15 : Math.trunc((oomScoreAdjustment * 17) / 1000);
  return `${Math.min(15, scaled)}\n`;
}
