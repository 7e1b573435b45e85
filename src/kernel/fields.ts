import { at, optional, type FieldSpec } from './field-spec.js';
import { deviceFields, irqCounters } from './fields-devices.js';
import { fileFields } from './fields-files.js';
import { logFields } from './fields-log.js';
import { moduleFields } from './fields-modules.js';
import { networkFields } from './fields-network.js';
import { processFields } from './fields-processes.js';

/**
 * Every struct member that we read, and where it moved. A row is `ours: where`, and `where` lists the places
 * it has had, newest first: the first that the kernel's own type information has is taken. Versions are never
 * compared. A path may go through embedded structs (`thread_info.cpu`); members of anonymous ones need no path.
 *
 * A member that some kernels do not have at all is `optional`: its reader asks with `has()` first.
 */
export const structFields = {
  ...deviceFields,
  ...networkFields,
  ...logFields,
  ...processFields,
  ...moduleFields,
  ...fileFields,

  pglist_data: { node_zones: at('node_zones'), nr_zones: at('nr_zones') },
  zone: {
    watermark: at('_watermark'),
    managed_pages: at('managed_pages'),
    watermark_boost: at('watermark_boost'),
    per_cpu_zonestats: optional('per_cpu_zonestats'),
  },

  timekeeper: {
    // tkr_mono and tkr_raw have been there since 4.0
    mono_shift: at('tkr_mono.shift'),
    mono_xtime_nsec: at('tkr_mono.xtime_nsec'),
    mono_base: at('tkr_mono.base'),
    xtime_sec: at('xtime_sec'),
    offs_boot: at('offs_boot'),
    offs_real: at('offs_real'),
  },
  tick_sched: {
    idle_sleeptime: at('idle_sleeptime'),
    idle_entrytime: at('idle_entrytime'),
    iowait_sleeptime: at('iowait_sleeptime'),
    // became TS_FLAG_IDLE_ACTIVE in flags (6.10)
    idle_active: optional('idle_active'),
    flags: optional('flags'),
  },
  kernel_cpustat: { cpustat: at('cpustat') },
  clocksource: { mult: at('mult') },

  // ctl_table_set and its root directory
  ctl_table_root: { default_set: at('default_set') },
  ctl_table_set: { dir: at('dir') },
  ctl_dir: { header: at('header'), root: at('root') },
  ctl_table_header: { ctl_table: at('ctl_table'), node: at('node') },
  ctl_node: { node: at('node'), header: at('header') },
  ctl_table: {
    procname: at('procname'),
    data: at('data'),
    maxlen: at('maxlen'),
    mode: at('mode'),
    proc_handler: at('proc_handler'),
  },
  net: {
    sysctls: at('sysctls'),
    ip_local_ports: optional('ipv4.ip_local_ports.range'),
    dev_base_head: optional('dev_base_head'),
    // the tables of sockets became one of each namespace: 6.0, 6.2 and 5.18
    tcp_hashinfo: optional('ipv4.tcp_death_row.hashinfo'),
    udp_table: optional('ipv4.udp_table'),
    unix_buckets: optional('unx.table.buckets'),
    packets: optional('packet.sklist'),
    fib_main: optional('ipv4.fib_main'),
    inum: optional('ns.inum'),
    inet6_addresses: optional('ipv6.inet6_addr_lst'),
  },
  hstate: {
    order: at('order'),
    nr_huge_pages: at('nr_huge_pages'),
    free_huge_pages: at('free_huge_pages'),
    resv_huge_pages: at('resv_huge_pages'),
    surplus_huge_pages: at('surplus_huge_pages'),
    nr_overcommit_huge_pages: at('nr_overcommit_huge_pages'),
  },
  user_namespace: { set: optional('set'), inum: optional('ns.inum') },
  ipc_namespace: { inum: optional('ns.inum'), ipc_set: optional('ipc_set'), mq_set: optional('mq_set') },

  list_head: { next: at('next'), prev: at('prev') },
  rb_node: { rb_left: at('rb_left'), rb_right: at('rb_right') },
} as const satisfies Record<string, Record<string, FieldSpec>>;

/**
 * Structs that have no name of their own: what they are for, the members that tell them, and the same rows as
 * above. A kernel that names the struct comes first.
 */
export const anonymousFields = {
  /** irq_cpustat_t */
  irq_cpustat: {
    names: ['irq_cpustat'],
    members: ['apic_timer_irqs', 'irq_resched_count'],
    fields: irqCounters,
  },
  /** What it became (seen in 7.2): an array, indexed by enum irq_stat_counts. */
  irq_counts: {
    names: [],
    members: ['counts', 'kvm_cpu_l1tf_flush_l1d'],
    fields: { counts: optional('counts') },
  },
  /** The type of tk_core; struct tk_data since 6.13. */
  tk_data: { names: ['tk_data'], members: ['seq', 'timekeeper'], fields: { timekeeper: at('timekeeper') } },
} as const satisfies Record<
  string,
  { names: readonly string[]; members: readonly string[]; fields: Record<string, FieldSpec> }
>;
