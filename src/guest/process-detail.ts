import type { Kernel } from '../kernel/kernel.js';
import type { StructView } from '../kernel/struct-view.js';
import type { ProcessDetail } from './guest.js';
import { residentPages } from './resident.js';
import type { Task } from './tasks.js';
import { ttyForeground } from './tty.js';

type Signal = StructView<'signal_struct'>;
type Mm = StructView<'mm_struct'>;

/** Indices into signal->rlim, `include/uapi/asm-generic/resource.h`. */
const RLIMIT_RSS = 5;
const RLIMIT_SIGPENDING = 11;
const rlimitSize = 16;
/** SIGNAL_STOP_STOPPED and SIGNAL_GROUP_EXIT: the group's exit code counts, not the leader's. */
const groupExitFlags = 0x1 | 0x4;
const PFA_NO_NEW_PRIVS = 1n;
const SIG_IGN = 1n;
const signalCount = 64;
const nsPerClockTick = 10_000_000n;

/** What only `/proc/<pid>/stat` and `status` ask for. `guestTime` is the group's, in nanoseconds. */
export function readDetail(
  kernel: Kernel,
  task: Task,
  signal: Signal,
  mm: Mm | undefined,
  guestTime: bigint,
): ProcessDetail {
  const fs = task.pointer('fs');
  const files = task.pointer('files');
  return {
    ttyPgrp: ttyForeground(kernel, signal.pointer('tty')),
    rssLimit: softLimit(signal, RLIMIT_RSS),
    exitSignal: task.int('exit_signal'),
    exitCode: signal.uint('flags') & groupExitFlags ? signal.int('group_exit_code') : task.int('exit_code'),
    layout: mm && addresses(mm),
    sigQueued: queuedSignals(kernel, task),
    sigQueueLimit: softLimit(signal, RLIMIT_SIGPENDING),
    limits: limits(signal),
    signals: {
      ...taskSignals(task),
      sharedPending: signal.u64('shared_pending'),
      ...dispositions(kernel, task.pointer('sighand')),
    },
    guestTime,
    childGuestTime: signal.u64('cgtime'),
    umask: fs === 0n ? undefined : kernel.view('fs_struct', fs).int('umask'),
    fdSize:
      files === 0n
        ? 0
        : kernel.view('fdtable', kernel.view('files_struct', files).pointer('fdt')).uint('max_fds'),
    ...taskDetail(kernel, task),
    memory: mm && memoryFigures(kernel, mm),
  };
}

/** The same of one thread; what all of a process's have in common is taken from `group`. */
export function threadDetail(kernel: Kernel, task: Task, group: ProcessDetail): ProcessDetail {
  return {
    ...group,
    ...taskDetail(kernel, task),
    exitSignal: task.int('exit_signal'),
    exitCode: task.int('exit_code'),
    signals: { ...group.signals, ...taskSignals(task) },
    guestTime: task.u64('gtime'),
  };
}

function taskDetail(kernel: Kernel, task: Task) {
  return {
    blockDelay: blockDelay(kernel, task),
    voluntarySwitches: task.u64('nvcsw'),
    involuntarySwitches: task.u64('nivcsw'),
    noNewPrivs: (task.u64('atomic_flags') & PFA_NO_NEW_PRIVS) !== 0n,
    seccompMode: task.has('seccomp_mode') ? task.int('seccomp_mode') : 0,
    seccompFilters: task.has('seccomp_filter_count') ? task.int('seccomp_filter_count') : 0,
  };
}

const taskSignals = (task: Task) => ({ pending: task.u64('pending'), blocked: task.u64('blocked') });

function softLimit(signal: Signal, index: number): bigint {
  return signal.raw('rlim').readBigUInt64LE(index * rlimitSize);
}

function limits(signal: Signal): (readonly [soft: bigint, hard: bigint])[] {
  const bytes = signal.raw('rlim');
  return Array.from({ length: Math.floor(bytes.length / rlimitSize) }, (_, index) => [
    bytes.readBigUInt64LE(index * rlimitSize),
    bytes.readBigUInt64LE(index * rlimitSize + 8),
  ]);
}

function addresses(mm: Mm): NonNullable<ProcessDetail['layout']> {
  return {
    startCode: mm.u64('start_code'),
    endCode: mm.u64('end_code'),
    startStack: mm.u64('start_stack'),
    startData: mm.u64('start_data'),
    endData: mm.u64('end_data'),
    startBrk: mm.u64('start_brk'),
    argStart: mm.u64('arg_start'),
    argEnd: mm.u64('arg_end'),
    envStart: mm.u64('env_start'),
    envEnd: mm.u64('env_end'),
  };
}

function queuedSignals(kernel: Kernel, task: Task): bigint {
  const cred = kernel.view('cred', task.pointer('real_cred'));
  const index = kernel.enumerator('UCOUNT_RLIMIT_SIGPENDING');
  if (cred.has('ucounts') && index !== undefined) {
    const counts = kernel.view('ucounts', cred.pointer('ucounts')).raw('rlimit');
    return index * 8 + 8 <= counts.length ? counts.readBigUInt64LE(index * 8) : 0n;
  }
  return kernel.view('user_struct', cred.pointer('user')).u64('sigpending');
}

/** collect_sigign_sigcatch(): bit n-1 for signal n. */
function dispositions(kernel: Kernel, sighand: bigint): { ignored: bigint; caught: bigint } {
  let ignored = 0n;
  let caught = 0n;
  if (sighand === 0n) return { ignored, caught };
  const actions = kernel.view('sighand_struct', sighand).raw('action');
  const stride = kernel.layout('k_sigaction').size;
  const offset = kernel.offset('k_sigaction', 'sa_handler');
  for (let index = 0; index < signalCount && index * stride + offset + 8 <= actions.length; index++) {
    const handler = actions.readBigUInt64LE(index * stride + offset);
    if (handler === SIG_IGN) ignored |= 1n << BigInt(index);
    else if (handler !== 0n) caught |= 1n << BigInt(index);
  }
  return { ignored, caught };
}

/** delayacct_blkio_ticks(): 0 unless the guest was booted with delay accounting. */
function blockDelay(kernel: Kernel, task: Task): bigint {
  const delays = task.has('delays') ? task.pointer('delays') : 0n;
  return delays === 0n ? 0n : kernel.view('task_delay_info', delays).u64('blkio_delay') / nsPerClockTick;
}

/** task_mem(), `fs/proc/task_mmu.c`. */
function memoryFigures(kernel: Kernel, mm: Mm): NonNullable<ProcessDetail['memory']> {
  const pages = residentPages(kernel, mm);
  const pageSize = BigInt(kernel.pageSize);
  const kib = (count: bigint) => Number((count * pageSize) / 1024n);
  const total = mm.u64('total_vm');
  const executable = mm.u64('exec_vm') * pageSize;
  const endOfCode = (mm.u64('end_code') + pageSize - 1n) & ~(pageSize - 1n);
  const code = endOfCode - (mm.u64('start_code') & ~(pageSize - 1n));
  const text = code < executable ? code : executable;
  return {
    peak: kib(max(mm.u64('hiwater_vm'), total)),
    size: kib(total),
    locked: kib(mm.u64('locked_vm')),
    pinned: kib(mm.u64('pinned_vm')),
    highWaterRss: kib(max(mm.u64('hiwater_rss'), pages.total)),
    rssAnon: kib(pages.anon),
    rssFile: kib(pages.file),
    rssShmem: kib(pages.shmem),
    data: kib(mm.u64('data_vm')),
    stack: kib(mm.u64('stack_vm')),
    text: Number(text >> 10n),
    library: Number((executable - text) >> 10n),
    pageTables: Number(mm.u64('pgtables_bytes') >> 10n),
    swap: kib(pages.swap),
  };
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}
