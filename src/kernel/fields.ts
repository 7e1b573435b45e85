/**
 * Every struct member that we read, and where it moved. A row is `ours: where`, and `where` lists the places
 * it has had, newest first: the first that the kernel's own type information has is taken. Versions are never
 * compared. A path may go through embedded structs (`thread_info.cpu`); members of anonymous ones need no path.
 *
 * A member that some kernels do not have at all is `optional`: its reader asks with `has()` first.
 */
export interface Place {
  readonly path: string;
  /** Only a member of this many bytes: tells members of one name and different meaning apart. */
  readonly size?: number;
}

export interface FieldSpec {
  readonly places: readonly Place[];
  readonly optional: boolean;
}

function at(...places: (string | Place)[]): FieldSpec {
  return {
    places: places.map((place) => (typeof place === 'string' ? { path: place } : place)),
    optional: false,
  };
}

function optional(...places: (string | Place)[]): FieldSpec {
  return { ...at(...places), optional: true };
}

export const structFields = {
  new_utsname: {
    sysname: at('sysname'),
    nodename: at('nodename'),
    release: at('release'),
    version: at('version'),
    machine: at('machine'),
    domainname: at('domainname'),
  },
  uts_namespace: { name: at('name') },
  nsproxy: { uts_ns: at('uts_ns'), mnt_ns: at('mnt_ns') },

  task_struct: {
    tasks: at('tasks'),
    // state → __state: 2f064a59a11f (5.14)
    state: at('__state', 'state'),
    exit_state: at('exit_state'),
    exit_signal: at('exit_signal'),
    flags: at('flags'),
    pid: at('pid'),
    tgid: at('tgid'),
    comm: at('comm'),
    real_parent: at('real_parent'),
    group_leader: at('group_leader'),
    thread_node: at('thread_node'),
    real_cred: at('real_cred'),
    signal: at('signal'),
    mm: at('mm'),
    fs: at('fs'),
    nsproxy: at('nsproxy'),
    // cpu → thread_info.cpu: bcf9033e5449 (5.16) on x86
    cpu: at('thread_info.cpu', 'cpu'),
    prio: at('prio'),
    static_prio: at('static_prio'),
    rt_priority: at('rt_priority'),
    policy: at('policy'),
    utime: at('utime'),
    stime: at('stime'),
    sum_exec_runtime: at('se.sum_exec_runtime'),
    start_time: at('start_time'),
    // real_start_time → start_boottime: cf25e24db61c (5.5)
    start_boottime: at('start_boottime', 'real_start_time'),
    min_flt: at('min_flt'),
    maj_flt: at('maj_flt'),
    nvcsw: at('nvcsw'),
    nivcsw: at('nivcsw'),
    exit_code: at('exit_code'),
    gtime: at('gtime'),
    pending: at('pending.signal'),
    blocked: at('blocked'),
    sighand: at('sighand'),
    files: at('files'),
    atomic_flags: at('atomic_flags'),
    seccomp_mode: optional('seccomp.mode'),
    seccomp_filter_count: optional('seccomp.filter_count'),
    delays: optional('delays'),
    cgroups: optional('cgroups'),
    // struct kthread moved here from set_child_tid: e32cf5dfbe22 (5.17)
    worker_private: optional('worker_private'),
  },
  signal_struct: {
    thread_head: at('thread_head'),
    nr_threads: at('nr_threads'),
    pids: at('pids'),
    tty: at('tty'),
    utime: at('utime'),
    stime: at('stime'),
    cutime: at('cutime'),
    cstime: at('cstime'),
    prev_utime: at('prev_cputime.utime'),
    prev_stime: at('prev_cputime.stime'),
    sum_sched_runtime: at('sum_sched_runtime'),
    min_flt: at('min_flt'),
    maj_flt: at('maj_flt'),
    cmin_flt: at('cmin_flt'),
    cmaj_flt: at('cmaj_flt'),
    rlim: at('rlim'),
    shared_pending: at('shared_pending.signal'),
    gtime: at('gtime'),
    cgtime: at('cgtime'),
    flags: at('flags'),
    group_exit_code: at('group_exit_code'),
  },
  pid: { numbers: at('numbers'), level: at('level') },
  upid: { nr: at('nr') },
  pid_namespace: {
    // the sysctl became one of each namespace: 7863dcc72d0f (6.14)
    pid_max: optional('pid_max'),
    idr_next: at('idr.idr_next'),
  },
  cred: {
    uid: at('uid'),
    gid: at('gid'),
    suid: at('suid'),
    sgid: at('sgid'),
    euid: at('euid'),
    egid: at('egid'),
    fsuid: at('fsuid'),
    fsgid: at('fsgid'),
    // kernel_cap_t: u32[2] → u64 in f122a08b197d (6.3), the same bytes
    cap_inheritable: at('cap_inheritable'),
    cap_permitted: at('cap_permitted'),
    cap_effective: at('cap_effective'),
    cap_bset: at('cap_bset'),
    cap_ambient: at('cap_ambient'),
    group_info: at('group_info'),
    user: at('user'),
    // queued signals are counted by user and namespace since 5.14
    ucounts: optional('ucounts'),
  },
  group_info: { ngroups: at('ngroups'), gid: at('gid') },
  tty_struct: {
    driver: at('driver'),
    index: at('index'), // pgrp → ctrl.pgrp (5.14)
    pgrp: at('ctrl.pgrp', 'pgrp'),
  },
  tty_driver: { major: at('major'), minor_start: at('minor_start') },
  mm_struct: {
    pgd: at('pgd'),
    total_vm: at('total_vm'),
    arg_start: at('arg_start'),
    arg_end: at('arg_end'),
    env_start: at('env_start'),
    env_end: at('env_end'),
    // struct mm_rss_stat of atomics → struct percpu_counter[]: f1a7941243c1 (6.2)
    rss_stat: at('rss_stat'),
    start_code: at('start_code'),
    end_code: at('end_code'),
    start_data: at('start_data'),
    end_data: at('end_data'),
    start_brk: at('start_brk'),
    brk: at('brk'),
    map_count: at('map_count'),
    // the list of areas became a tree (6.1)
    mmap: optional('mmap'),
    mm_mt: optional('mm_mt'),
    // x86: what kind of program it is
    context_flags: optional('context.flags'),
    ia32_compat: optional('context.ia32_compat'),
    start_stack: at('start_stack'),
    hiwater_vm: at('hiwater_vm'),
    hiwater_rss: at('hiwater_rss'),
    locked_vm: at('locked_vm'),
    pinned_vm: at('pinned_vm'),
    data_vm: at('data_vm'),
    exec_vm: at('exec_vm'),
    stack_vm: at('stack_vm'),
    pgtables_bytes: at('pgtables_bytes'),
    exe_file: at('exe_file'),
  },
  percpu_counter: { count: at('count'), counters: at('counters') },
  vm_area_struct: {
    vm_start: at('vm_start'),
    vm_end: at('vm_end'),
    vm_next: optional('vm_next'),
    vm_mm: at('vm_mm'),
    vm_flags: at('vm_flags'),
    vm_ops: at('vm_ops'),
    vm_pgoff: at('vm_pgoff'),
    vm_file: at('vm_file'),
    vm_private_data: at('vm_private_data'),
    anon_name: optional('anon_name'),
    shared: at('shared'),
  },
  anon_vma_name: { name: optional('name') },
  vm_special_mapping: { name: at('name') },
  maple_tree: { ma_root: optional('ma_root') },
  maple_range_64: { parent: optional('parent'), pivot: optional('pivot'), slot: optional('slot') },
  maple_arange_64: { parent: optional('parent'), pivot: optional('pivot'), slot: optional('slot') },

  // full_name: d6986ce24fc0 (5.17)
  kthread: { data: at('data'), full_name: optional('full_name') },
  worker: { pool: at('pool'), desc: at('desc'), current_work: at('current_work') },
  sighand_struct: { action: at('action') },
  k_sigaction: { sa_handler: at('sa.sa_handler') },
  files_struct: { fdt: at('fdt') },
  fdtable: { max_fds: at('max_fds'), fd: at('fd'), open_fds: at('open_fds') },
  file: { f_path: at('f_path'), f_inode: at('f_inode'), f_mode: at('f_mode') },
  // what locks and leases share moved to struct file_lock_core (6.9)
  file_lock: {
    link: at('c.flc_link', 'fl_link'),
    flags: at('c.flc_flags', 'fl_flags'),
    type: at('c.flc_type', 'fl_type'),
    pid: at('c.flc_pid', 'fl_pid'),
    file: at('c.flc_file', 'fl_file'),
    fl_start: at('fl_start'),
    fl_end: at('fl_end'),
  },
  file_lock_list_struct: { hlist: at('hlist') },
  // the counters of limits became an array of their own (5.19)
  ucounts: { rlimit: optional('rlimit', 'ucount') },
  user_struct: { sigpending: optional('sigpending') },
  task_delay_info: { blkio_delay: at('blkio_delay') },
  css_set: { dfl_cgrp: at('dfl_cgrp') },
  cgroup: { kn: at('kn') },
  // parent → __parent (6.15)
  kernfs_node: { parent: at('__parent', 'parent'), name: at('name') },

  file_system_type: {
    name: at('name'),
    fs_flags: at('fs_flags'),
    // the list of file systems became a struct hlist_head (seen in 7.2)
    next: optional('next'),
    list: optional('list'),
  },

  module: {
    list: at('list'),
    name: at('name'),
    state: at('state'),
    refcnt: at('refcnt'),
    source_list: at('source_list'),
    taints: at('taints'),
    init: at('init'),
    exit: optional('exit'),
    // core_layout and init_layout → mem[]: ac3b43283923 (6.4)
    mem: optional('mem'),
    core_base: optional('core_layout.base'),
    core_size: optional('core_layout.size'),
    init_size: optional('init_layout.size'),
  },
  module_memory: { base: optional('base'), size: optional('size') },
  module_use: { source_list: at('source_list'), source: at('source') },

  fs_struct: { root: at('root'), pwd: at('pwd'), umask: at('umask') },
  path: { mnt: at('mnt'), dentry: at('dentry') },
  vfsmount: { mnt_root: at('mnt_root'), mnt_sb: at('mnt_sb'), mnt_flags: at('mnt_flags') },
  mount: {
    mnt: at('mnt'),
    mnt_parent: at('mnt_parent'),
    mnt_mountpoint: at('mnt_mountpoint'),
    mnt_list: at('mnt_list'),
    // the namespace's list → a tree: 2eea9ce4310d (6.8)
    mnt_node: optional('mnt_node'),
    mnt_id: at('mnt_id'),
    mnt_devname: at('mnt_devname'),
    mnt_group_id: at('mnt_group_id'),
    mnt_master: at('mnt_master'),
    mnt_ns: at('mnt_ns'),
    // the propagation bits left mnt_flags for it (6.17)
    mnt_t_flags: optional('mnt_t_flags'),
  },
  mnt_namespace: {
    list: optional('list'),
    // an older member of this name counts mounts, in 4 bytes
    mounts: optional({ path: 'mounts', size: 8 }),
  },
  dentry: {
    d_parent: at('d_parent'),
    d_name: at('d_name.name'),
    d_name_len: at('d_name.len'),
    d_inode: at('d_inode'),
    d_hash_pprev: at('d_hash.pprev'),
    d_alias: at('d_u.d_alias'),
    // lists of both kinds: d_subdirs and d_child → d_children and d_sib (6.8)
    d_children: optional('d_children'),
    d_sib: optional('d_sib'),
    d_subdirs: optional('d_subdirs'),
    d_child: optional('d_child'),
    d_op: at('d_op'),
  },
  dentry_operations: { d_dname: at('d_dname') },
  ns_common: { ops: at('ops') },
  proc_ns_operations: { name: at('name') },
  super_block: {
    s_dev: at('s_dev'),
    s_magic: at('s_magic'),
    s_flags: at('s_flags'),
    s_type: at('s_type'),
    s_root: at('s_root'),
    s_subtype: at('s_subtype'),
    s_uuid: at('s_uuid'),
    s_fs_info: at('s_fs_info'),
    s_inodes: at('s_inodes'),
    s_inodes_wb: at('s_inodes_wb'),
    s_list: at('s_list'),
    s_bdi: at('s_bdi'),
    s_blocksize: at('s_blocksize'),
  },
  shmem_sb_info: {
    max_blocks: at('max_blocks'),
    max_inodes: at('max_inodes'),
    mode: at('mode'),
    uid: at('uid'),
    gid: at('gid'),
    full_inums: optional('full_inums'),
    // CONFIG_TRANSPARENT_HUGEPAGE
    huge: optional('huge'),
  },
  ramfs_fs_info: { mode: at('mount_opts.mode') },
  pts_fs_info: {
    setuid: at('mount_opts.setuid'),
    setgid: at('mount_opts.setgid'),
    uid: at('mount_opts.uid'),
    gid: at('mount_opts.gid'),
    mode: at('mount_opts.mode'),
    ptmxmode: at('mount_opts.ptmxmode'),
  },
  cgroup_root: { flags: at('flags') },
  hugetlbfs_sb_info: { hstate: at('hstate') },
  inode: {
    i_mode: at('i_mode'),
    i_sb: at('i_sb'),
    i_ino: at('i_ino'),
    i_nlink: at('i_nlink'),
    i_sb_list: at('i_sb_list'),
    i_io_list: at('i_io_list'),
    i_wb_list: at('i_wb_list'),
    i_dentry: at('i_dentry'),
    i_mapping: at('i_mapping'),
    i_private: at('i_private'),
    i_size: at('i_size'),
    i_uid: at('i_uid'),
    i_gid: at('i_gid'),
    i_rdev: at('i_rdev'),
    i_link: at('i_link'),
    // struct timespec64 → one with another name (6.6, 6.7) → two members (6.11)
    atime_sec: at('i_atime_sec', '__i_atime.tv_sec', 'i_atime.tv_sec'),
    atime_nsec: at('i_atime_nsec', '__i_atime.tv_nsec', 'i_atime.tv_nsec'),
    mtime_sec: at('i_mtime_sec', '__i_mtime.tv_sec', 'i_mtime.tv_sec'),
    mtime_nsec: at('i_mtime_nsec', '__i_mtime.tv_nsec', 'i_mtime.tv_nsec'),
    ctime_sec: at('i_ctime_sec', '__i_ctime.tv_sec', 'i_ctime.tv_sec'),
    ctime_nsec: at('i_ctime_nsec', '__i_ctime.tv_nsec', 'i_ctime.tv_nsec'),
    i_acl: optional('i_acl'),
    i_default_acl: optional('i_default_acl'),
  },
  shmem_inode_info: { vfs_inode: at('vfs_inode'), xattrs: optional('xattrs') },
  // a list → a red-black tree: 3b4c7bc01727 (6.2)
  simple_xattrs: { rb_root: optional('rb_root'), head: optional('head') },
  simple_xattr: {
    rb_node: optional('rb_node'),
    list: optional('list'),
    name: at('name'),
    size: at('size'),
    value: at('value'),
  },
  posix_acl: { a_count: at('a_count'), a_entries: at('a_entries') },
  posix_acl_entry: { e_tag: at('e_tag'), e_perm: at('e_perm'), e_uid: at('e_uid') },
  address_space: { nrpages: at('nrpages'), i_pages: at('i_pages'), page_flags: at('i_pages.xa_flags') },
  page: {
    flags: at('flags'),
    mapping: at('mapping'),
    // index → __folio_index (6.16)
    index: at('__folio_index', 'index'),
    // compound_head → compound_info (7.0)
    compound_head: at('compound_info', 'compound_head'),
  },
  xarray: { xa_head: at('xa_head') },
  xa_node: {
    shift: at('shift'),
    offset: at('offset'),
    count: at('count'),
    parent: at('parent'),
    array: at('array'),
    slots: at('slots'),
  },
  backing_dev_info: { wb_list: at('wb_list') },
  bdi_writeback: {
    bdi_node: at('bdi_node'),
    b_dirty: at('b_dirty'),
    b_io: at('b_io'),
    b_more_io: at('b_more_io'),
  },

  pglist_data: { node_zones: at('node_zones'), nr_zones: at('nr_zones') },
  zone: {
    watermark: at('_watermark'),
    managed_pages: at('managed_pages'),
    watermark_boost: at('watermark_boost'),
  },

  timekeeper: {
    // tkr_mono and tkr_raw have been there since 4.0
    mono_shift: at('tkr_mono.shift'),
    mono_xtime_nsec: at('tkr_mono.xtime_nsec'),
    mono_base: at('tkr_mono.base'),
    xtime_sec: at('xtime_sec'),
    offs_boot: at('offs_boot'),
  },
  tick_sched: {
    idle_sleeptime: at('idle_sleeptime'),
    idle_entrytime: at('idle_entrytime'),
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
  net: { sysctls: at('sysctls'), ip_local_ports: optional('ipv4.ip_local_ports.range') },
  hstate: {
    order: at('order'),
    nr_huge_pages: at('nr_huge_pages'),
    free_huge_pages: at('free_huge_pages'),
    resv_huge_pages: at('resv_huge_pages'),
    surplus_huge_pages: at('surplus_huge_pages'),
    nr_overcommit_huge_pages: at('nr_overcommit_huge_pages'),
  },
  user_namespace: { set: optional('set') },
  ipc_namespace: { ipc_set: optional('ipc_set'), mq_set: optional('mq_set') },

  list_head: { next: at('next'), prev: at('prev') },
  rb_node: { rb_left: at('rb_left'), rb_right: at('rb_right') },
} as const satisfies Record<string, Record<string, FieldSpec>>;

/**
 * Structs that have no name of their own: what they are for, the members that tell them, and the same rows as
 * above. A kernel that names the struct comes first.
 */
export const anonymousFields = {
  /** The type of tk_core; struct tk_data since 6.13. */
  tk_data: { names: ['tk_data'], members: ['seq', 'timekeeper'], fields: { timekeeper: at('timekeeper') } },
} as const satisfies Record<
  string,
  { names: readonly string[]; members: readonly string[]; fields: Record<string, FieldSpec> }
>;

/** Enumerators that index the kernel's counters. One that a kernel does not have is left out. */
export const enumerators = [
  'PG_uptodate',
  'PIDTYPE_PGID',
  'PIDTYPE_SID',
  'MM_FILEPAGES',
  'MM_ANONPAGES',
  'MM_SHMEMPAGES',
  'MM_SWAPENTS',
  'CGRP_ROOT_NS_DELEGATE',
  'CGRP_ROOT_FAVOR_DYNMODS',
  'CGRP_ROOT_MEMORY_LOCAL_EVENTS',
  'CGRP_ROOT_MEMORY_RECURSIVE_PROT',
  'CGRP_ROOT_MEMORY_HUGETLB_ACCOUNTING',
  'CGRP_ROOT_PIDS_LOCAL_EVENTS',
  'UCOUNT_RLIMIT_SIGPENDING',
  'MODULE_STATE_LIVE',
  'MODULE_STATE_COMING',
  'MODULE_STATE_GOING',
  'MODULE_STATE_UNFORMED',
  'MOD_MEM_NUM_TYPES',
  'CPUTIME_USER',
  'CPUTIME_IDLE',
  'CPUTIME_IOWAIT',
  'WMARK_LOW',
  'NR_FREE_PAGES',
  'NR_ZONE_WRITE_PENDING',
  'NR_BOUNCE',
  'NR_FREE_CMA_PAGES',
  'NR_LRU_BASE',
  'NR_INACTIVE_ANON',
  'NR_ACTIVE_ANON',
  'NR_INACTIVE_FILE',
  'NR_ACTIVE_FILE',
  'NR_UNEVICTABLE',
  'NR_SLAB_RECLAIMABLE_B',
  'NR_SLAB_UNRECLAIMABLE_B',
  'NR_ANON_MAPPED',
  'NR_FILE_MAPPED',
  'NR_FILE_PAGES',
  'NR_FILE_DIRTY',
  'NR_WRITEBACK',
  'NR_WRITEBACK_TEMP',
  'NR_SHMEM',
  'NR_SHMEM_THPS',
  'NR_SHMEM_PMDMAPPED',
  'NR_FILE_THPS',
  'NR_FILE_PMDMAPPED',
  'NR_ANON_THPS',
  'NR_KERNEL_MISC_RECLAIMABLE',
  'NR_KERNEL_STACK_KB',
  'NR_PAGETABLE',
  'NR_SECONDARY_PAGETABLE',
  'NR_SWAPCACHE',
  'NR_MLOCK',
  'NR_UNACCEPTED',
  'NR_BALLOON_PAGES',
  'NR_VMALLOC',
  'ZSWPIN',
  'NR_GPU_ACTIVE',
  'NR_GPU_RECLAIM',
] as const;

export type Enumerator = (typeof enumerators)[number];
