import type { Enumerator } from './enumerators.js';
import type { StructName } from './layout.js';
import type { ArchitectureName } from './paging.js';
import type { optionalSymbols } from './symbols.js';

type OptionalSymbol = (typeof optionalSymbols)[number];

/** What cannot be told without a struct's members. A struct that is not here is named by itself. */
const structNeeds: Readonly<Partial<Record<StructName, string>>> = {
  new_utsname: 'uname, and the proof that the kernel runs',
  uts_namespace: 'uname, and the proof that the kernel runs',
  task_struct: 'processes, and the proof that the kernel runs',
  nsproxy: 'mounts',
  signal_struct: 'processes',
  sighand_struct: 'processes: signal dispositions',
  k_sigaction: 'processes: signal dispositions',
  pid: 'processes: groups and sessions',
  upid: 'processes: groups and sessions',
  cred: 'processes: users and capabilities',
  group_info: 'processes: users and capabilities',
  tty_struct: 'processes: terminals',
  tty_driver: 'processes: terminals',
  mm_struct: 'processes: memory and arguments',
  kthread: "processes: kernel threads' names",
  worker: "processes: kernel threads' names",
  css_set: 'processes: control groups',
  cgroup: 'processes: control groups',
  kernfs_node: 'processes: control groups',
  file_lock: 'file locks',
  file_lock_list_struct: 'file locks',
  file_system_type: '/proc/filesystems, mounts',
  module: 'modules',
  module_memory: 'modules',
  module_use: 'modules',
  kernel_param: 'module parameters',
  kparam_array: 'module parameters: lists',
  kparam_string: 'module parameters: texts',
  printk_ringbuffer: 'the kernel log',
  prb_desc_ring: 'the kernel log',
  prb_data_ring: 'the kernel log',
  prb_desc: 'the kernel log',
  printk_info: 'the kernel log',
  mount: 'mounts',
  vfsmount: 'mounts',
  mnt_namespace: 'mounts',
  super_block: 'mounts',
  dentry: 'mounts, executables, file names',
  inode: 'file locks, unwritten files, files in memory',
  bdi_writeback: 'unwritten files',
  backing_dev_info: 'unwritten files',
  address_space: 'unwritten files, files in memory, /proc/meminfo',
  page: 'files in memory: contents',
  xarray: 'files in memory: contents',
  xa_node: 'files in memory: contents',
  shmem_inode_info: 'files in memory: extended attributes',
  simple_xattr: 'files in memory: extended attributes',
  posix_acl: 'files in memory: access lists',
  posix_acl_entry: 'files in memory: access lists',
  zone: '/proc/meminfo: MemAvailable',
  pglist_data: '/proc/meminfo: MemAvailable',
  hstate: '/proc/meminfo: huge pages',
  timekeeper: 'clocks and uptime',
  tk_data: 'clocks and uptime',
  tick_sched: 'uptime: idle time',
  kernel_cpustat: 'uptime: idle time',
  ctl_table_root: 'sysctls',
  ctl_table_set: 'sysctls',
  ctl_dir: 'sysctls',
  ctl_table_header: 'sysctls',
  ctl_node: 'sysctls',
  ctl_table: 'sysctls',
  net: 'sysctls of the network',
};

interface SymbolNeed {
  /** One of these is enough. */
  readonly anyOf: readonly OptionalSymbol[];
  readonly neededFor: string;
  /** Other architectures do without. */
  readonly architecture?: ArchitectureName;
}

const symbolNeeds: readonly SymbolNeed[] = [
  {
    anyOf: ['init_top_pgt', 'init_level4_pgt'],
    neededFor: 'everything: page tables',
    architecture: 'x86-64',
  },
  { anyOf: ['swapper_pg_dir'], neededFor: 'everything: page tables', architecture: 'aarch64' },
  { anyOf: ['kimage_voffset'], neededFor: 'everything: page tables', architecture: 'aarch64' },
  { anyOf: ['__per_cpu_offset'], neededFor: 'uptime, file locks, /proc/meminfo' },
  { anyOf: ['nr_cpu_ids'], neededFor: 'CPUs, uptime, file locks' },
  { anyOf: ['__cpu_online_mask'], neededFor: 'CPUs' },
  { anyOf: ['__cpu_present_mask'], neededFor: 'CPUs' },
  { anyOf: ['__cpu_possible_mask'], neededFor: 'uptime, file locks' },
  { anyOf: ['file_systems'], neededFor: '/proc/filesystems' },
  { anyOf: ['file_lock_list'], neededFor: 'file locks' },
  { anyOf: ['super_blocks'], neededFor: 'unwritten files' },
  { anyOf: ['modules'], neededFor: 'modules' },
  { anyOf: ['param_ops_bool'], neededFor: 'module parameters' },
  { anyOf: ['__start___param'], neededFor: "module parameters: the kernel's own" },
  { anyOf: ['prb'], neededFor: 'the kernel log' },
  { anyOf: ['saved_command_line'], neededFor: 'the kernel command line' },
  { anyOf: ['sysctl_bootid'], neededFor: 'the boot id' },
  { anyOf: ['tk_core', 'timekeeper_data'], neededFor: 'clocks and uptime' },
  { anyOf: ['avenrun'], neededFor: 'load averages' },
  { anyOf: ['kernel_cpustat'], neededFor: 'uptime: idle time' },
  { anyOf: ['clocksource_jiffies'], neededFor: 'sysctls that are times' },
  { anyOf: ['init_pid_ns'], neededFor: 'the last pid' },
  { anyOf: ['sysctl_table_root'], neededFor: 'sysctls' },
  { anyOf: ['init_net'], neededFor: 'sysctls of the network' },
  { anyOf: ['_totalram_pages'], neededFor: '/proc/meminfo' },
  { anyOf: ['vm_zone_stat'], neededFor: '/proc/meminfo' },
  { anyOf: ['vm_node_stat'], neededFor: '/proc/meminfo' },
];

/** What a missing `struct.member` is needed for. */
export function fieldNeed(field: string): string {
  const struct = field.split('.')[0] ?? '';
  return structNeeds[struct as StructName] ?? `what reads struct ${struct}`;
}

/** The symbols that a profile lacks and that some answer cannot do without. */
export function missingSymbols(profile: {
  readonly architecture: ArchitectureName;
  readonly symbols: Readonly<Record<string, string>>;
}): { readonly what: string; readonly neededFor: string }[] {
  return symbolNeeds
    .filter(({ architecture }) => architecture === undefined || architecture === profile.architecture)
    .filter(({ anyOf }) => anyOf.every((name) => profile.symbols[name] === undefined))
    .map(({ anyOf, neededFor }) => ({ what: `symbol ${anyOf.join(' or ')}`, neededFor }));
}

/** Enumerators that every kernel has, and what they are needed for. */
const enumeratorNeeds: readonly (readonly [Enumerator, neededFor: string])[] = [
  ['PIDTYPE_PGID', 'processes: groups'],
  ['PIDTYPE_SID', 'processes: sessions'],
  ['MM_FILEPAGES', 'processes: memory'],
  ['NR_FREE_PAGES', '/proc/meminfo'],
  ['NR_LRU_BASE', '/proc/meminfo'],
  ['MODULE_STATE_LIVE', 'modules'],
  ['PG_uptodate', 'files in memory: contents'],
];

/** The enumerators that a profile lacks and that some answer cannot do without. */
export function missingEnumerators(profile: { readonly enums: Readonly<Record<string, number>> }) {
  return enumeratorNeeds
    .filter(([name]) => profile.enums[name] === undefined)
    .map(([name, neededFor]) => ({ what: `enumerator ${name}`, neededFor }));
}
