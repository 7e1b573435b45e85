/** Symbols without which a kernel cannot be read at all. */
export const requiredSymbols = ['_text', 'linux_banner', 'init_task', 'init_uts_ns'] as const;

/**
 * Symbols that one answer or another needs. A kernel may lack some: the answer that needs one says so.
 * All are variables; `proc_*` handlers are in {@link sysctlHandlers}.
 */
export const optionalSymbols = [
  'init_top_pgt',
  'init_level4_pgt',
  'page_offset_base',
  'vmcoreinfo_data',
  'vmcoreinfo_size',
  '__start_notes',
  '__stop_notes',
  '__per_cpu_offset',
  '__cpu_online_mask',
  '__cpu_present_mask',
  '__cpu_possible_mask',
  'nr_cpu_ids',
  'file_systems',
  'modules',
  'saved_command_line',
  'sysctl_bootid',
  'tk_core',
  'timekeeper_data',
  'avenrun',
  'kernel_cpustat',
  'tick_cpu_sched',
  'clocksource_jiffies',
  'pid_max',
  'init_pid_ns',
  'ngroups_max',
  'sysctl_table_root',
  'init_net',
  'init_user_ns',
  'init_ipc_ns',
  '_totalram_pages',
  'totalreserve_pages',
  'total_swap_pages',
  'nr_swap_pages',
  'vm_zone_stat',
  'vm_node_stat',
  'vm_committed_as',
  'sysctl_overcommit_memory',
  'sysctl_overcommit_ratio',
  'sysctl_overcommit_kbytes',
  'hugetlb_total_pages',
  'nr_vmalloc_pages',
  'pcpu_nr_populated',
  'pcpu_nr_units',
  'num_poisoned_pages',
  'direct_pages_count',
  'node_data',
  'contig_page_data',
  'blockdev_superblock',
  'totalcma_pages',
  'hstates',
  'default_hstate_idx',
  'tainted_mask',
] as const;

/** How a sysctl's handler prints its value; see `guest/sysctls.ts`. */
export type SysctlKind =
  | 'string'
  | 'int'
  | 'uint'
  | 'bool'
  | 'u8'
  | 'ulong'
  | 'jiffies'
  | 'userhz_jiffies'
  | 'ms_jiffies'
  | 'ulong_ms_jiffies'
  | 'uuid'
  | 'bitmap';

/** Handlers of sysctls by the symbol of the function, and how they print. Sources: `kernel/sysctl.c` and their own files. */
export const sysctlHandlers: Readonly<Record<string, SysctlKind>> = {
  proc_dostring: 'string',
  proc_do_uts_string: 'string',
  proc_dointvec: 'int',
  proc_dointvec_minmax: 'int',
  proc_dointvec_minmax_sysadmin: 'int',
  proc_dointvec_minmax_coredump: 'int',
  proc_dointvec_minmax_warn_RT_change: 'int',
  proc_douintvec: 'uint',
  proc_douintvec_minmax: 'uint',
  proc_dobool: 'bool',
  proc_dou8vec_minmax: 'u8',
  proc_doulongvec_minmax: 'ulong',
  proc_doulongvec_ms_jiffies_minmax: 'ulong_ms_jiffies',
  proc_dointvec_jiffies: 'jiffies',
  proc_dointvec_userhz_jiffies: 'userhz_jiffies',
  proc_dointvec_ms_jiffies: 'ms_jiffies',
  proc_dointvec_ms_jiffies_minmax: 'ms_jiffies',
  proc_do_uuid: 'uuid',
  proc_do_large_bitmap: 'bitmap',
};
