import type { Kernel } from '../kernel/kernel.js';
import type { StructView } from '../kernel/struct-view.js';

/** The kernel limits arguments to a quarter of the stack's limit, at most 6 MiB (`fs/exec.c`). */
const maxArguments = 6 * 1024 * 1024;

/**
 * What `/proc/<pid>/cmdline` shows: the arguments, or one string where the process has written its title over
 * them (get_mm_cmdline(), `fs/proc/base.c`). Undefined when a page of them is not in memory.
 */
export function readCommandLine(kernel: Kernel, mm: StructView<'mm_struct'>): Buffer | undefined {
  const start = mm.u64('arg_start');
  const end = mm.u64('arg_end');
  if (end <= start) return Buffer.alloc(0);
  if (end - start > maxArguments) return undefined;
  const pgd = mm.pointer('pgd');
  const bytes = kernel.readUser(pgd, start, Number(end - start));
  if (bytes === undefined || bytes.at(-1) === 0) return bytes;
  const adjoining = mm.u64('env_start') === end && mm.u64('env_end') >= end;
  return readTitle(kernel, pgd, start, adjoining ? mm.u64('env_end') : end);
}

/** A title may overflow into the environment; the kernel shows at most one page of it. */
function readTitle(kernel: Kernel, pgd: bigint, start: bigint, end: bigint): Buffer | undefined {
  const length = Math.min(Number(end - start), kernel.pageSize);
  const bytes = kernel.readUser(pgd, start, length);
  const nul = bytes?.indexOf(0) ?? -1;
  return nul < 0 ? bytes : bytes?.subarray(0, nul + 1);
}
