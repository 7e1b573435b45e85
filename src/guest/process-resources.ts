import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import type { PathNames } from './path-names.js';
import { residentPages } from './resident.js';
import { memoryOf, threads, type Task } from './tasks.js';

/** Counts of what a process read and wrote, in the order of `/proc/<pid>/io`. */
export const ioCounters = [
  'rchar',
  'wchar',
  'syscr',
  'syscw',
  'read_bytes',
  'write_bytes',
  'cancelled_write_bytes',
] as const;

/** What the smaller files of a process's directory show. */
export interface ProcessResources {
  /** As the process has it; undefined when a page of it is not in memory, and of kernel threads. */
  readonly environment: Buffer | undefined;
  /** The auxiliary vector, with its end; undefined of kernel threads. */
  readonly auxiliary: Buffer | undefined;
  readonly io: Readonly<Record<(typeof ioCounters)[number], bigint>>;
  readonly oomScoreAdjustment: number;
  readonly oomScore: number;
  readonly loginUid: number;
  readonly sessionId: number;
  /** Nanoseconds that it ran and that it waited to run, and how often it ran. */
  readonly scheduled: readonly [runtime: bigint, delay: bigint, count: bigint];
  readonly timerSlack: bigint;
  readonly personality: number;
  /** Name of the link → what it reads as, e.g. `net:[4026531840]`; none of a process that has ended. */
  readonly namespaces: readonly (readonly [name: string, target: string])[];
}

/** MAX_ARG_STRLEN times a few: the kernel limits arguments and environment together to 6 MiB. */
const maxEnvironment = 6 * 1024 * 1024;
const oomAdjustmentMax = 1000;

export function readResources({ kernel }: PathNames, task: Task): ProcessResources {
  const signal = kernel.view('signal_struct', task.pointer('signal'));
  const mm = memoryOf(kernel, task);
  const adjustment = signal.int('oom_score_adj');
  return {
    environment: mm && environment(kernel, mm),
    auxiliary: mm && auxiliary(mm),
    io: ioSums(kernel, task, signal),
    oomScoreAdjustment: adjustment,
    oomScore: mm && task.int('pid') !== 1 ? oomScore(kernel, mm, adjustment) : 0,
    loginUid: task.uint('loginuid'),
    sessionId: task.uint('sessionid'),
    scheduled: [task.u64('sum_exec_runtime'), task.u64('run_delay'), task.u64('run_count')],
    timerSlack: task.u64('timer_slack_ns'),
    personality: task.uint('personality'),
    namespaces: namespaces(kernel, task),
  };
}

type Mm = StructView<'mm_struct'>;

function environment(kernel: Kernel, mm: Mm): Buffer | undefined {
  const [start, end] = [mm.u64('env_start'), mm.u64('env_end')];
  if (end <= start) return Buffer.alloc(0);
  if (end - start > maxEnvironment) return undefined;
  return kernel.readUser(mm.pointer('pgd'), start, Number(end - start));
}

/** Pairs of words up to the one of type 0: proc_pid_auxv_read(). */
function auxiliary(mm: Mm): Buffer {
  const bytes = mm.raw('saved_auxv');
  let length = 0;
  do length += 16;
  while (length < bytes.length && bytes.readBigUInt64LE(length - 16) !== 0n);
  return bytes.subarray(0, Math.min(length, bytes.length));
}

/** Of the threads that are there and of those that have ended: do_io_accounting(), `fs/proc/base.c`. */
function ioSums(kernel: Kernel, task: Task, signal: StructView<'signal_struct'>): ProcessResources['io'] {
  const addresses = [signal.at('ioac')];
  for (const thread of threads(kernel, task, signal)) addresses.push(thread.at('ioac'));
  const accounts = addresses.map((address) => kernel.view('task_io_accounting', address));
  const sum = (name: (typeof ioCounters)[number]) =>
    accounts.reduce((total, account) => total + account.u64(name), 0n);
  return Object.fromEntries(ioCounters.map((name) => [name, sum(name)])) as ProcessResources['io'];
}

/** proc_oom_score() and oom_badness(), `mm/oom_kill.c`; init is asked for by nobody. */
function oomScore(kernel: Kernel, mm: Mm, adjustment: number): number {
  if (adjustment === -oomAdjustmentMax) return 0;
  const long = (symbol: string) => Number(kernel.pointer(kernel.symbol(symbol)));
  const total = long('_totalram_pages') + long('total_swap_pages');
  const { total: resident, swap } = residentPages(kernel, mm);
  const tables = Math.floor(mm.uint('pgtables_bytes') / kernel.pageSize);
  const badness = Number(resident + swap) + tables + adjustment * Math.floor(total / oomAdjustmentMax);
  return Math.trunc(((oomAdjustmentMax + Math.trunc((badness * oomAdjustmentMax) / total)) * 2) / 3);
}

type NamespaceStruct =
  | 'cgroup_namespace'
  | 'ipc_namespace'
  | 'mnt_namespace'
  | 'net'
  | 'pid_namespace'
  | 'time_namespace'
  | 'user_namespace'
  | 'uts_namespace';
type ProxyField = Parameters<StructView<'nsproxy'>['has']>[0];

/** Links whose namespace is in the task's nsproxy: name, what it reads as, struct and member. */
const proxied: readonly (readonly [
  name: string,
  kind: string,
  struct: NamespaceStruct,
  field: ProxyField,
])[] = [
  ['cgroup', 'cgroup', 'cgroup_namespace', 'cgroup_ns'],
  ['ipc', 'ipc', 'ipc_namespace', 'ipc_ns'],
  ['mnt', 'mnt', 'mnt_namespace', 'mnt_ns'],
  ['net', 'net', 'net', 'net_ns'],
  ['pid_for_children', 'pid', 'pid_namespace', 'pid_ns_for_children'],
  ['time', 'time', 'time_namespace', 'time_ns'],
  ['time_for_children', 'time', 'time_namespace', 'time_ns_for_children'],
  ['uts', 'uts', 'uts_namespace', 'uts_ns'],
];

function namespaces(kernel: Kernel, task: Task): ProcessResources['namespaces'] {
  const address = task.pointer('nsproxy');
  if (address === 0n) return [];
  const proxy = kernel.view('nsproxy', address);
  const found = proxied.flatMap(([name, kind, struct, field]): [string, string][] => {
    const namespace = proxy.has(field) ? proxy.pointer(field) : 0n;
    return namespace === 0n ? [] : [[name, `${kind}:[${inodeOf(kernel, struct, namespace)}]`]];
  });
  const user = kernel.view('cred', task.pointer('real_cred')).pointer('user_ns');
  return [
    ...found,
    ['pid', `pid:[${inodeOf(kernel, 'pid_namespace', ownPidNamespace(kernel, task))}]`],
    ['user', `user:[${inodeOf(kernel, 'user_namespace', user)}]`],
  ];
}

function inodeOf(kernel: Kernel, struct: NamespaceStruct, address: bigint): number {
  return kernel.u32(address + BigInt(kernel.offset(struct, 'inum')));
}

/** The innermost of those in which the task has a number: task_active_pid_ns(). */
function ownPidNamespace(kernel: Kernel, task: Task): bigint {
  const pid = kernel.view('pid', task.pointer('thread_pid'));
  const level = pid.uint('level');
  const maxLevel = 32;
  if (level > maxLevel) throw inconsistent(`the pid at ${hex(pid.address)} is ${level} namespaces deep`);
  const numbers = pid.address + BigInt(kernel.offset('pid', 'numbers'));
  return kernel.view('upid', numbers + BigInt(level * kernel.layout('upid').size)).pointer('ns');
}
