import { hex, inconsistent } from '../kernel/lists.js';
import type { OpenFile } from './guest.js';
import type { PathNames } from './path-names.js';
import { placeAt } from './paths.js';
import type { Task } from './tasks.js';

/** No process has more: sysctl_nr_open_max of 64-bit kernels is about 2^30, fs.nr_open is 2^20 unless it is raised. */
const maxDescriptors = 1 << 20;
const FMODE_READ = 1;
const FMODE_WRITE = 2;
const O_CLOEXEC = 0o2000000;

/**
 * The descriptors of a process (fs/proc/fd.c), ascending. A slot of the table counts when its bit says that it is open;
 * one that is reserved has no file yet.
 *
 * @throws OuaError `GUEST_INCONSISTENT` for an impossible table
 */
export function readOpenFiles(names: PathNames, task: Task): OpenFile[] {
  const { kernel } = names;
  const files = task.pointer('files');
  if (files === 0n) return [];
  const table = kernel.view('fdtable', kernel.view('files_struct', files).pointer('fdt'));
  const count = table.uint('max_fds');
  if (count > maxDescriptors)
    throw inconsistent(`the fdtable at ${hex(table.address)} has room for ${count} descriptors`);
  const slots = kernel.read(table.pointer('fd'), count * 8);
  const bits = (field: 'open_fds' | 'close_on_exec') => {
    const bytes = kernel.read(table.pointer(field), Math.ceil(count / 64) * 8);
    return (descriptor: number) => ((bytes[descriptor >> 3] ?? 0) & (1 << (descriptor & 7))) !== 0;
  };
  const [isOpen, closesOnExec] = [bits('open_fds'), bits('close_on_exec')];
  const found: OpenFile[] = [];
  for (let descriptor = 0; descriptor < count; descriptor++) {
    const address = slots.readBigUInt64LE(descriptor * 8);
    if (address === 0n) continue;
    if (!isOpen(descriptor))
      throw inconsistent(
        `the fdtable at ${hex(table.address)} has a file in slot ${descriptor}, which is closed`,
      );
    const file = kernel.view('file', address);
    const mode = file.uint('f_mode');
    const target = names.ofFile(address);
    if (target !== undefined)
      found.push({
        descriptor,
        readable: (mode & FMODE_READ) !== 0,
        writable: (mode & FMODE_WRITE) !== 0,
        target,
        position: file.u64('f_pos'),
        // seq_show() of fs/proc/fd.c: what was asked for when it was opened does not count
        flags: (file.uint('f_flags') & ~O_CLOEXEC) | (closesOnExec(descriptor) ? O_CLOEXEC : 0),
        mountId: kernel.view('mount', placeAt(kernel, file.at('f_path')).mount).int('mnt_id'),
      });
  }
  return found;
}
