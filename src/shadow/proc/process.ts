import type { OpenFile, Process, Thread } from '../../guest/guest.js';
import { hex16, octalEscape, statusKib, ticks } from './text.js';

/** The states of `task_state_array`, fs/proc/array.c. */
const stateNames: Readonly<Record<string, string>> = {
  R: 'running',
  S: 'sleeping',
  D: 'disk sleep',
  T: 'stopped',
  t: 'tracing stop',
  X: 'dead',
  Z: 'zombie',
  P: 'parked',
  I: 'idle',
};

const pageKib = 4;
/** RLIM_INFINITY. */
const unlimited = 0xffff_ffff_ffff_ffffn;

/**
 * `/proc/<pid>/stat` (`do_task_stat`, fs/proc/array.c). Without `detail` the fields that need it are what the
 * kernel prints to a reader without access to the process: 0, and 1 for the bounds of its code.
 */
export function renderStat(process: Process | Thread): string {
  const { detail } = process;
  const layout = detail?.layout;
  const hidden = process.kernelThread ? 0n : 1n;
  // Old-style sets: signals 1 to 31 only (`& 0x7fffffffUL`).
  const signals = (set: bigint | undefined) => (set ?? 0n) & 0x7fff_ffffn;
  const alone = 'tgid' in process || process.threads < 2;
  const waiting = detail && alone && process.state !== 'R' ? 1 : 0;
  const fields: (string | number | bigint)[] = [
    process.pid,
    `(${process.comm})`,
    process.state,
    process.ppid,
    process.pgrp,
    process.session,
    process.ttyNr,
    detail?.ttyPgrp ?? -1,
    process.flags >>> 0,
    process.minFaults,
    process.childMinFaults,
    process.majFaults,
    process.childMajFaults,
    ticks(process.utime),
    ticks(process.stime),
    ticks(process.cutime),
    ticks(process.cstime),
    process.priority,
    process.nice,
    process.threads,
    0, // itrealvalue
    ticks(process.startBootTime),
    process.vsize,
    process.rss,
    detail?.rssLimit ?? unlimited,
    layout?.startCode ?? hidden,
    layout?.endCode ?? hidden,
    layout?.startStack ?? 0,
    0, // kstkesp and kstkeip: only of exiting tasks
    0,
    signals(detail?.signals.pending),
    signals(detail?.signals.blocked),
    signals(detail?.signals.ignored),
    signals(detail?.signals.caught),
    waiting,
    0, // nswap and cnswap
    0,
    detail?.exitSignal ?? 17,
    process.processor,
    process.rtPriority,
    process.policy,
    detail?.blockDelay ?? 0,
    ticks(detail?.guestTime ?? 0n),
    ticks(detail?.childGuestTime ?? 0n),
    layout?.startData ?? 0,
    layout?.endData ?? 0,
    layout?.startBrk ?? 0,
    layout?.argStart ?? 0,
    layout?.argEnd ?? 0,
    layout?.envStart ?? 0,
    layout?.envEnd ?? 0,
    detail?.exitCode ?? 0,
  ];
  return `${fields.join(' ')}\n`;
}

/** `/proc/<pid>/status` (`proc_pid_status`, fs/proc/array.c); lines that need what was not read are left out. */
export function renderStatus(process: Process | Thread): string {
  const { detail } = process;
  const tgid = 'tgid' in process ? process.tgid : process.pid;
  const line = (name: string, ...values: readonly (string | number | bigint)[]) =>
    `${name}:\t${values.join('\t')}\n`;
  const identity = [
    // ESCAPE_SPECIAL of string_helpers: only the newline and the backslash.
    line('Name', octalEscapeName(process.comm)),
    detail?.umask === undefined ? '' : line('Umask', detail.umask.toString(8).padStart(4, '0')),
    line('State', `${process.state} (${stateNames[process.state] ?? 'unknown'})`),
    line('Tgid', tgid),
    line('Ngid', 0),
    line('Pid', process.pid),
    line('PPid', process.ppid),
    line('TracerPid', 0),
    line('Uid', ...process.uids),
    line('Gid', ...process.gids),
    detail ? line('FDSize', detail.fdSize) : '',
    // Each group is followed by a space, and one stands there without any group.
    `Groups:\t${process.groups.map((group) => `${group}`).join(' ')} \n`,
    line('NStgid', tgid),
    line('NSpid', process.pid),
    line('NSpgid', process.pgrp),
    line('NSsid', process.session),
  ];
  const activity = [
    line('Threads', process.threads),
    ...(detail ? signalLines(detail, line) : []),
    line('CapInh', hex16(process.capabilities.inheritable)),
    line('CapPrm', hex16(process.capabilities.permitted)),
    line('CapEff', hex16(process.capabilities.effective)),
    line('CapBnd', hex16(process.capabilities.bounding)),
    line('CapAmb', hex16(process.capabilities.ambient)),
    ...(detail
      ? [
          line('NoNewPrivs', detail.noNewPrivs ? 1 : 0),
          line('Seccomp', detail.seccompMode),
          line('Seccomp_filters', detail.seccompFilters),
          line('voluntary_ctxt_switches', detail.voluntarySwitches),
          line('nonvoluntary_ctxt_switches', detail.involuntarySwitches),
        ]
      : []),
  ];
  return [...identity, memoryLines(process), ...activity].join('');
}

type Detail = NonNullable<Process['detail']>;
type Line = (name: string, ...values: readonly (string | number | bigint)[]) => string;

function signalLines({ signals, sigQueued, sigQueueLimit }: Detail, line: Line): string[] {
  return [
    line('SigQ', `${sigQueued}/${sigQueueLimit}`),
    line('SigPnd', hex16(signals.pending)),
    line('ShdPnd', hex16(signals.sharedPending)),
    line('SigBlk', hex16(signals.blocked)),
    line('SigIgn', hex16(signals.ignored)),
    line('SigCgt', hex16(signals.caught)),
  ];
}

/** `task_mem`, fs/proc/task_mmu.c. */
function memoryLines(process: Process): string {
  if (process.kernelThread || process.state === 'Z') return '';
  const memory = process.detail?.memory;
  if (!memory)
    return (
      statusKib('VmSize', Number(process.vsize / 1024n)) + statusKib('VmRSS', Number(process.rss) * pageKib)
    );
  const rows: readonly (readonly [name: string, kib: number])[] = [
    ['VmPeak', memory.peak],
    ['VmSize', memory.size],
    ['VmLck', memory.locked],
    ['VmPin', memory.pinned],
    ['VmHWM', memory.highWaterRss],
    ['VmRSS', memory.rssAnon + memory.rssFile + memory.rssShmem],
    ['RssAnon', memory.rssAnon],
    ['RssFile', memory.rssFile],
    ['RssShmem', memory.rssShmem],
    ['VmData', memory.data],
    ['VmStk', memory.stack],
    ['VmExe', memory.text],
    ['VmLib', memory.library],
    ['VmPTE', memory.pageTables],
    ['VmSwap', memory.swap],
  ];
  return rows.map(([name, kib]) => statusKib(name, kib)).join('');
}

/** `/proc/<pid>/statm` (`proc_pid_statm`, fs/proc/array.c); undefined when the guest's figures were not read. */
export function renderStatm(process: Process): string | undefined {
  if (process.kernelThread || process.state === 'Z') return '0 0 0 0 0 0 0\n';
  const memory = process.detail?.memory;
  if (!memory) return undefined;
  const pages = (kib: number) => Math.floor(kib / pageKib);
  const fields = [
    process.vsize / 4096n,
    process.rss,
    pages(memory.rssFile + memory.rssShmem),
    pages(memory.text),
    0,
    pages(memory.data + memory.stack),
    0,
  ];
  return `${fields.join(' ')}\n`;
}

/** `/proc/<pid>/comm` (`comm_show`, fs/proc/base.c). */
export function renderComm(process: Process): string {
  return `${process.comm}\n`;
}

/** `/proc/<pid>/cmdline` (`proc_pid_cmdline_read`, fs/proc/base.c); undefined when its pages are not in memory. */
export function renderCmdline(process: Process): Buffer | undefined {
  return process.kernelThread || process.state === 'Z' ? Buffer.alloc(0) : process.cmdline;
}

/** `/proc/<pid>/cgroup` (`proc_cgroup_show`, kernel/cgroup/cgroup.c) of a guest with only the default hierarchy. */
export function renderCgroup(process: Process): string | undefined {
  return process.cgroup === undefined ? undefined : `0::${octalEscape(process.cgroup, ' \t\n')}\n`;
}

/** `/proc/<pid>/fdinfo/N` (`seq_show`, fs/proc/fd.c). */
export function renderFdInfo({ position, flags, mountId }: OpenFile): string {
  return `pos:\t${position}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${mountId}\n`;
}

function octalEscapeName(comm: string): string {
  return comm.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}
