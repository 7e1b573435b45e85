import type { Kernel } from '../kernel/kernel.js';

/** NGROUPS_MAX has been this since 2.6.4; the variable holds it, too. */
const NGROUPS_MAX = 65536;

export function readPidMax(kernel: Kernel): number {
  if (kernel.has('pid_namespace', 'pid_max'))
    return kernel.view('pid_namespace', kernel.symbol('init_pid_ns')).int('pid_max');
  return kernel.i32(kernel.symbol('pid_max'));
}

export function readNgroupsMax(kernel: Kernel): number {
  const variable = kernel.find('ngroups_max');
  return variable === undefined ? NGROUPS_MAX : kernel.i32(variable);
}

/** The pid that was given out last. */
export function readLastPid(kernel: Kernel): number {
  return kernel.view('pid_namespace', kernel.symbol('init_pid_ns')).uint('idr_next') - 1;
}
