import { readFileSync } from 'node:fs';
import { errnoOf } from '../base/errors.js';
import { unpackStrings } from './records.js';
import type { Leftover } from './tracer.js';

/** What a process calls itself, as far as it is still there. */
export function nameProcess(pid: number): Leftover {
  try {
    return {
      pid,
      name: readFileSync(`/proc/${pid}/comm`, 'latin1').trimEnd(),
      argv: unpackStrings(readFileSync(`/proc/${pid}/cmdline`)),
    };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ESRCH') throw error;
    return { pid, name: '', argv: [] };
  }
}
