import { readFileSync } from 'node:fs';

/**
 * User ids of a thread that stands still, as this host numbers them: proc(5), `/proc/<pid>/status`.
 *
 * @throws the error of the system when it is gone
 */
export function uidsOf(tid: number): readonly [real: number, effective: number] {
  const status = readFileSync(`/proc/${tid}/status`, 'latin1');
  const [, real, effective] = /^Uid:\t(\d+)\t(\d+)/m.exec(status) ?? [];
  return [Number(real), Number(effective)];
}
