import { optional, type FieldSpec } from './field-spec.js';

/**
 * Rows of `fields.ts` about CPUs, interrupts, devices and counters. None is required: a file whose source a kernel lacks
 * is absent, and the rest works.
 */
export const deviceFields = {
  kernel_stat: { irqs_sum: optional('irqs_sum'), softirqs: optional('softirqs') },
  rq: {
    nr_running: optional('nr_running'),
    nr_switches: optional('nr_switches'),
    nr_iowait: optional('nr_iowait'),
  },
  irq_desc: {
    kstat_irqs: optional('kstat_irqs'),
    action: optional('action'),
    name: optional('name'),
    status: optional('status_use_accessors'),
    irq: optional('irq_data.irq'),
    hwirq: optional('irq_data.hwirq'),
    chip: optional('irq_data.chip'),
    domain: optional('irq_data.domain'),
    chip_data: optional('irq_data.chip_data'),
    state: optional('irq_common_data.state_use_accessors'),
  },
  irq_proc_constraints: { num_prec: optional('num_prec'), chip_width: optional('chip_width') },
  irq_stat_info: { symbol: optional('symbol'), text: optional('text') },
  // of GICv2: another driver's struct of this name has no such member
  gic_chip_data: { cpu_base: optional('cpu_base') },
  irq_chip: { name: optional('name'), irq_print_chip: optional('irq_print_chip') },
  irqaction: { name: optional('name'), next: optional('next') },

  cpuinfo_x86: {
    vendor: optional('x86_vendor_id'),
    family: optional('x86'),
    model: optional('x86_model'),
    model_id: optional('x86_model_id'),
    stepping: optional('x86_stepping'),
    microcode: optional('microcode'),
    cache_size: optional('x86_cache_size'),
    tlbsize: optional('x86_tlbsize'),
    cpuid_level: optional('cpuid_level'),
    capability: optional('x86_capability'),
    vmx_capability: optional('vmx_capability'),
    // ids of the package and the core → struct cpuinfo_topology (6.7)
    package: optional('topo.pkg_id', 'phys_proc_id'),
    core: optional('topo.core_id', 'cpu_core_id'),
    apicid: optional('topo.apicid', 'apicid'),
    initial_apicid: optional('topo.initial_apicid', 'initial_apicid'),
    booted_cores: optional('booted_cores'),
    loops_per_jiffy: optional('loops_per_jiffy'),
    clflush_size: optional('x86_clflush_size'),
    cache_alignment: optional('x86_cache_alignment'),
    phys_bits: optional('x86_phys_bits'),
    virt_bits: optional('x86_virt_bits'),
    power: optional('x86_power'),
  },

  cpuinfo_arm64: { midr: optional('reg_midr') },

  char_device_struct: { next: optional('next'), major: optional('major'), name: optional('name') },
  blk_major_name: { next: optional('next'), major: optional('major'), name: optional('name') },
  miscdevice: { minor: optional('minor'), name: optional('name'), list: optional('list') },

  // the private part is found through class_kset since 6.4
  class: { p: optional('p') },
  subsys_private: {
    kset_entry: optional('subsys.kobj.entry'),
    devices: optional('klist_devices'),
    class: optional('class'),
  },
  kset: { list: optional('list') },
  klist: { list: optional('k_list') },
  klist_node: { klist: optional('n_klist'), node: optional('n_node') },
  device_private: { knode_class: optional('knode_class'), device: optional('device') },
  gendisk: {
    disk_name: optional('disk_name'),
    flags: optional('flags'),
    queue: optional('queue'),
    // a table of pointers → an xarray (5.12)
    part_table: optional({ path: 'part_tbl', size: 8 }),
    part_tbl: optional({ path: 'part_tbl', size: 16 }),
    // the struct hd_struct of the whole disk; a pointer to a struct block_device since 5.11
    part0: optional('part0'),
    minors: optional('minors'),
  },
  disk_part_tbl: { len: optional('len'), part: optional('part') },
  // became part of struct block_device (5.11)
  hd_struct: {
    device: optional('__dev'),
    parent: optional('__dev.parent'),
    devt: optional('__dev.devt'),
    partno: optional('partno'),
    nr_sects: optional('nr_sects'),
    // a struct of its own in kernels for one CPU
    dkstats: optional({ path: 'dkstats', size: 8 }),
  },
  request_queue: { mq_ops: optional('mq_ops') },
  block_device: {
    bd_device: optional('bd_device'),
    bd_disk: optional('bd_disk'),
    bd_dev: optional('bd_dev'),
    // the low byte of the flags since 6.10
    bd_partno: optional('bd_partno', '__bd_flags'),
    bd_nr_sectors: optional('bd_nr_sectors'),
    bd_stats: optional('bd_stats'),
  },
  disk_stats: {
    nsecs: optional('nsecs'),
    sectors: optional('sectors'),
    ios: optional('ios'),
    merges: optional('merges'),
    io_ticks: optional('io_ticks'),
    in_flight: optional('in_flight'),
  },
  swap_info_struct: {
    flags: optional('flags'),
    prio: optional('prio'),
    pages: optional('pages'),
    inuse_pages: optional('inuse_pages'),
    swap_file: optional('swap_file'),
  },
  // per-CPU counters left struct zone's pageset (5.14)
  per_cpu_zonestat: { numa_event: optional('vm_numa_event') },
} as const satisfies Record<string, Record<string, FieldSpec>>;

/** x86's own interrupts, irq_cpustat_t: which a kernel counts depends on how it was built. */
export const irqCounters = {
  __nmi_count: optional('__nmi_count'),
  apic_timer_irqs: optional('apic_timer_irqs'),
  irq_spurious_count: optional('irq_spurious_count'),
  apic_perf_irqs: optional('apic_perf_irqs'),
  apic_irq_work_irqs: optional('apic_irq_work_irqs'),
  icr_read_retry_count: optional('icr_read_retry_count'),
  irq_resched_count: optional('irq_resched_count'),
  irq_call_count: optional('irq_call_count'),
  irq_tlb_count: optional('irq_tlb_count'),
  irq_thermal_count: optional('irq_thermal_count'),
  irq_threshold_count: optional('irq_threshold_count'),
  irq_deferred_error_count: optional('irq_deferred_error_count'),
  irq_hv_callback_count: optional('irq_hv_callback_count'),
  irq_hv_reenlightenment_count: optional('irq_hv_reenlightenment_count'),
  hyperv_stimer0_count: optional('hyperv_stimer0_count'),
  kvm_posted_intr_ipis: optional('kvm_posted_intr_ipis'),
  kvm_posted_intr_nested_ipis: optional('kvm_posted_intr_nested_ipis'),
  kvm_posted_intr_wakeup_ipis: optional('kvm_posted_intr_wakeup_ipis'),
  posted_msi_notification_count: optional('posted_msi_notification_count'),
} as const satisfies Record<string, FieldSpec>;
