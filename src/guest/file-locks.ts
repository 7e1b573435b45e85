import type { Kernel } from '../kernel/kernel.js';
import { hashListEntries, hex, inconsistent, maxEntries } from '../kernel/lists.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';
import type { StructView } from '../kernel/struct-view.js';
import { fileIdentity } from './files.js';
import type { FileLock, Mount } from './guest.js';

/** FL_* of `include/linux/filelock.h`, in the order in which lock_get_status() asks for them. */
const kinds: readonly (readonly [flag: number, kind: FileLock['kind']])[] = [
  [0x400, 'OFDLCK'],
  [0x1, 'POSIX'],
  [0x2, 'FLOCK'],
];
/** F_RDLCK and F_WRLCK, `include/uapi/asm-generic/fcntl.h`. */
const accesses: readonly FileLock['access'][] = ['READ', 'WRITE'];

/**
 * The locks on the kernel's own lists, one for each CPU: what `/proc/locks` prints, without those who wait for a
 * lock (`fs/locks.c`).
 *
 * @param mounts reachable ones: a file's name is below one of them
 */
export function readFileLocks(kernel: Kernel, mounts: readonly Mount[]): FileLock[] {
  const variable = kernel.symbol('file_lock_list');
  const locks: FileLock[] = [];
  for (const cpu of cpusIn(kernel, '__cpu_possible_mask')) {
    const list = kernel.view('file_lock_list_struct', perCpuAddress(kernel, variable, cpu));
    for (const link of hashListEntries(kernel, list.at('hlist'), 'file locks')) {
      if (locks.length >= maxEntries) throw inconsistent('the lists of file locks do not end');
      const lock = kernel.container('file_lock', 'link', link);
      const kind = kinds.find(([flag]) => lock.uint('flags') & flag)?.[1];
      // A lease, or a lock that a network file system's server holds for nobody here.
      if (kind === undefined || lock.pointer('file') === 0n) continue;
      locks.push({
        ...fileIdentity(kernel, lockedInode(kernel, lock), mounts),
        kind,
        access: accessOf(lock),
        pid: kind === 'OFDLCK' ? undefined : lock.int('pid'),
        start: lock.u64('fl_start'),
        end: lock.u64('fl_end'),
      });
    }
  }
  return locks;
}

function lockedInode(kernel: Kernel, lock: StructView<'file_lock'>): StructView<'inode'> {
  return kernel.view('inode', kernel.view('file', lock.pointer('file')).pointer('f_inode'));
}

function accessOf(lock: StructView<'file_lock'>): FileLock['access'] {
  const access = accesses[lock.uint('type')];
  if (!access)
    throw inconsistent(`the lock at ${hex(lock.address)} is of the unknown type ${lock.uint('type')}`);
  return access;
}
