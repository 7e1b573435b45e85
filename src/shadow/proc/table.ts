import type { Guest, Mount, Process } from '../../guest/guest.js';
import { renderAccounting, renderInterrupts, renderSoftIrqs, renderVmStat } from './accounting.js';
import { renderArp, renderInet6Addresses, renderNetDevices, renderRoutes } from './network.js';
import { renderNetlink, renderPacket, renderRaw, renderTcp, renderUdp, renderUnix } from './sockets.js';
import { renderCpuInfo } from './cpuinfo.js';
import { renderIo, renderLimits, renderOomAdj } from './process-resources.js';
import type { ProcessResources } from '../../guest/process-resources.js';
import { renderDevices, renderDiskStats, renderMisc, renderPartitions, renderSwaps } from './devices.js';
import {
  renderFileSystems,
  renderLoadAverage,
  renderLocks,
  renderMemInfo,
  renderModules,
  renderMountInfo,
  renderMounts,
  renderUptime,
  renderVersion,
} from './kernel.js';
import { renderMaps } from './maps.js';
import {
  renderCgroup,
  renderCmdline,
  renderComm,
  renderFdInfo,
  renderStat,
  renderStatm,
  renderStatus,
} from './process.js';
import {
  absent,
  answered,
  file,
  files,
  ifKnown,
  processFile,
  processFiles,
  processLink,
  processLinks,
  symlink,
  threadFile,
  traceeDirectory,
  traceeFile,
  traceeLink,
  traceeThreads,
  type Content,
  type ProcRow,
} from './row.js';

const text = (value: string | number | undefined) => (value === undefined ? undefined : `${value}\n`);
const init = (guest: Guest) => guest.processes().find(({ pid }) => pid === 1);

/** What the kernel is and does. */
const system: readonly ProcRow[] = [
  file('cmdline', 'fs/proc/cmdline.c', (guest) => text(guest.commandLine())),
  file('filesystems', 'fs/filesystems.c', renderFileSystems),
  file('loadavg', 'fs/proc/loadavg.c', renderLoadAverage),
  file('meminfo', 'fs/proc/meminfo.c', renderMemInfo),
  file('modules', 'kernel/module/procfs.c', renderModules),
  ifKnown(
    file('cpuinfo', 'fs/proc/cpuinfo.c', renderCpuInfo, {
      note: 'the frequency is the one that was measured at boot',
    }),
  ),
  ifKnown(file('devices', 'fs/proc/devices.c', renderDevices)),
  ifKnown(
    file('diskstats', 'block/genhd.c', renderDiskStats, {
      missing: 'requests in flight of multi-queue devices: 0',
    }),
  ),
  ifKnown(
    file('interrupts', 'fs/proc/interrupts.c', renderInterrupts, {
      missing: 'what a chip prints of itself besides its name, but for the GIC',
    }),
  ),
  ifKnown(file('locks', 'fs/locks.c', renderLocks, { missing: 'leases, and who waits for a lock' })),
  ifKnown(file('misc', 'drivers/char/misc.c', renderMisc)),
  ifKnown(file('partitions', 'block/genhd.c', renderPartitions)),
  ifKnown(file('softirqs', 'fs/proc/softirqs.c', renderSoftIrqs)),
  ifKnown(file('stat', 'fs/proc/stat.c', renderAccounting)),
  ifKnown(file('swaps', 'mm/swapfile.c', renderSwaps)),
  ifKnown(file('vmstat', 'mm/vmstat.c', renderVmStat)),
  file('uptime', 'fs/proc/uptime.c', renderUptime),
  file('version', 'fs/proc/version.c', renderVersion),
  symlink('mounts', 'fs/proc/root.c: proc_root_init', 'self/mounts'),
  symlink('net', 'fs/proc/proc_net.c: proc_net_init', 'self/net'),
  answered('self', 'self', 'fs/proc/self.c', { note: 'the number of the process that asks' }),
  answered('thread-self', 'thread-self', 'fs/proc/thread_self.c', {
    note: 'the number of the thread that asks',
  }),
];

/** Sysctls that are 0444, by the `mode` of their `ctl_table`; the others are 0644. */
const readOnlySysctls: ReadonlySet<string> = new Set([
  'fs/dentry-state',
  'fs/file-nr',
  'fs/inode-nr',
  'fs/inode-state',
  'kernel/cap_last_cap',
  'kernel/random/entropy_avail',
  'kernel/random/poolsize',
]);

const sysctl: readonly ProcRow[] = [
  file('sys/kernel/ostype', 'kernel/utsname_sysctl.c', (guest) => text(guest.uts.sysname)),
  file('sys/kernel/osrelease', 'kernel/utsname_sysctl.c', (guest) => text(guest.uts.release)),
  file('sys/kernel/version', 'kernel/utsname_sysctl.c', (guest) => text(guest.uts.version)),
  file('sys/kernel/hostname', 'kernel/utsname_sysctl.c', (guest) => text(guest.uts.nodename), {
    mode: 0o644,
  }),
  file('sys/kernel/domainname', 'kernel/utsname_sysctl.c', (guest) => text(guest.uts.domainname), {
    mode: 0o644,
  }),
  file('sys/kernel/ngroups_max', 'kernel/sysctl.c', (guest) => text(guest.ngroupsMax())),
  file('sys/kernel/pid_max', 'kernel/pid.c', (guest) => text(guest.pidMax()), { mode: 0o644 }),
  file('sys/kernel/random/boot_id', 'drivers/char/random.c: proc_do_uuid', (guest) => text(guest.bootId()), {
    note: 'not there when nothing in the guest has asked for it yet: the first read would make one',
  }),
  answered('uuid', 'sys/kernel/random/uuid', 'drivers/char/random.c: proc_do_uuid', {
    note: 'a fresh one at each read, from the host',
  }),
  files('sys', 'fs/proc/proc_sysctl.c', (guest) => guest.sysctls(), readOnlySysctls, {
    missing: 'those that the reader of the guest knows; writing gives EROFS',
  }),
];

/** A guest's link leads to its file; ours is a name, and what it opens is looked up again. */
const linkNote = { note: 'reads as in the guest; opens what has that name in the shadow root, or nothing' };

/** Permission bits as tid_fd_update_inode() sets them. */
const fdLinks = ({ pid }: Process, guest: Guest) =>
  (guest.openFiles().get(pid) ?? []).map(
    ({ descriptor, readable, writable, target }) =>
      [String(descriptor), target, (readable ? 0o500 : 0) | (writable ? 0o300 : 0)] as const,
  );

/** Their structs are not in the kernel's own type information. */
const moduleOptions = 'options of their own of file systems that are modules (ext4, autofs, …)';

/** A process's mounts; of one that has ended the file is not there. Most processes see the same: each view is written once. */
function mountsOf(render: (mounts: readonly Mount[]) => string) {
  const written = new WeakMap<readonly Mount[], string>();
  return ({ pid }: Process, guest: Guest): Content => {
    const mounts = pid === 1 ? guest.mounts() : guest.processMounts().get(pid);
    if (!mounts) return undefined;
    const text = written.get(mounts) ?? render(mounts);
    written.set(mounts, text);
    return text;
  };
}

/** The guest's processes. */
const processes: readonly ProcRow[] = [
  processFile('cmdline', 'fs/proc/base.c: proc_pid_cmdline_ops', renderCmdline, {
    missing: 'not there when its pages are not in memory',
  }),
  processFile('comm', 'fs/proc/base.c: comm_show', renderComm, { mode: 0o644 }),
  processFile('stat', 'fs/proc/array.c: do_task_stat', renderStat, {
    missing: 'kstkesp, kstkeip: 0, as of any task that is not exiting',
  }),
  processFile('statm', 'fs/proc/array.c: proc_pid_statm', renderStatm),
  processFile('status', 'fs/proc/array.c: proc_pid_status', renderStatus, {
    missing:
      'lines HugetlbPages, CoreDumping, THP_enabled, Speculation…, Cpus_allowed…, Mems_allowed…; Ngid and TracerPid are 0',
  }),
  processFile('cgroup', 'kernel/cgroup/cgroup.c: proc_cgroup_show', renderCgroup, {
    missing: 'the default hierarchy only',
  }),
  processFile('mounts', 'fs/proc_namespace.c', mountsOf(renderMounts), { missing: moduleOptions }),
  processFile('mountinfo', 'fs/proc_namespace.c', mountsOf(renderMountInfo), { missing: moduleOptions }),
  processLink('exe', 'fs/proc/base.c: proc_exe_link', ({ exe }) => exe, linkNote),
  processLink('cwd', 'fs/proc/base.c: proc_cwd_link', ({ cwd }) => cwd, linkNote),
  processLink('root', 'fs/proc/base.c: proc_root_link', ({ root }) => root, linkNote),
  processLinks('fd', 'fs/proc/fd.c: proc_fd_link', fdLinks, { mode: 0o500, ...linkNote }),
  ifKnown(
    processFiles(
      'fdinfo',
      'fs/proc/fd.c: seq_show',
      ({ pid }, guest) =>
        (guest.openFiles().get(pid) ?? []).map(
          (file) => [String(file.descriptor), renderFdInfo(file)] as const,
        ),
      { missing: 'lines pos, flags and mnt_id only' },
    ),
  ),
  threadFile('cmdline', 'fs/proc/base.c: proc_pid_cmdline_ops', renderCmdline, {
    missing: 'not there when its pages are not in memory',
  }),
  threadFile('comm', 'fs/proc/base.c: comm_show', renderComm, { mode: 0o644 }),
  threadFile('stat', 'fs/proc/array.c: do_task_stat', renderStat, { missing: "as the process's" }),
  threadFile('statm', 'fs/proc/array.c: proc_pid_statm', renderStatm),
  threadFile('status', 'fs/proc/array.c: proc_pid_status', renderStatus, { missing: "as the process's" }),
  processFile('maps', 'fs/proc/task_mmu.c: show_map_vma', renderMaps, {
    note: 'not there of a process that was suspended while they changed, or that maps a kind of file that we cannot name',
  }),
];

/** The smaller files of a process's directory: name, permission bits, content. */
const resourceFiles: readonly (readonly [
  name: string,
  mode: number,
  render: (resources: ProcessResources) => Content,
])[] = [
  ['auxv', 0o400, ({ auxiliary }) => auxiliary ?? ''],
  ['environ', 0o400, ({ environment }) => environment],
  ['io', 0o400, renderIo],
  ['loginuid', 0o644, ({ loginUid }) => String(loginUid)],
  ['oom_adj', 0o644, renderOomAdj],
  ['oom_score', 0o444, ({ oomScore }) => text(oomScore)],
  ['oom_score_adj', 0o644, ({ oomScoreAdjustment }) => text(oomScoreAdjustment)],
  ['personality', 0o400, ({ personality }) => `${personality.toString(16).padStart(8, '0')}\n`],
  ['schedstat', 0o444, ({ scheduled }) => `${scheduled.join(' ')}\n`],
  ['sessionid', 0o444, ({ sessionId }) => String(sessionId)],
  ['timerslack_ns', 0o666, ({ timerSlack }) => `${timerSlack}\n`],
];

const resources: readonly ProcRow[] = [
  processFile('limits', 'fs/proc/base.c: proc_pid_limits', renderLimits),
  ...resourceFiles.map(([name, mode, render]) => {
    const content = ({ pid }: Process, guest: Guest) => {
      const found = guest.processResources().get(pid);
      return found && render(found);
    };
    const note = name === 'environ' ? { missing: 'not there when its pages are not in memory' } : {};
    return ifKnown(processFile(name, 'fs/proc/base.c', content, { mode, ...note }));
  }),
  ifKnown(
    processLinks(
      'ns',
      'fs/proc/namespaces.c',
      ({ pid }, guest) =>
        (guest.processResources().get(pid)?.namespaces ?? []).map(
          ([name, target]) => [name, target, 0o777] as const,
        ),
      { mode: 0o511, note: 'the numbers; opening one fails, as it leads nowhere' },
    ),
  ),
];

const noAddresses = "the kernel's addresses of sockets are 0, as kptr_restrict 2 shows them";

/** The guest's initial network namespace: `/proc/net` leads here for every tracee. */
const networkFiles: readonly (readonly [
  name: string,
  source: string,
  render: (guest: Guest) => Content,
  missing?: string,
])[] = [
  ['arp', 'net/ipv4/arp.c', renderArp, 'proxy entries'],
  [
    'dev',
    'net/core/net-procfs.c',
    renderNetDevices,
    'counts: 0, most drivers keep them where we cannot read',
  ],
  ['if_inet6', 'net/ipv6/addrconf.c', renderInet6Addresses],
  ['netlink', 'net/netlink/af_netlink.c', renderNetlink, noAddresses],
  ['packet', 'net/packet/af_packet.c', renderPacket, noAddresses],
  ['raw', 'net/ipv4/raw.c', (guest) => renderRaw(guest, 4), noAddresses],
  ['raw6', 'net/ipv6/raw.c', (guest) => renderRaw(guest, 6), noAddresses],
  ['route', 'net/ipv4/fib_trie.c', renderRoutes],
  ['tcp', 'net/ipv4/tcp_ipv4.c', (guest) => renderTcp(guest, 4), noAddresses],
  ['tcp6', 'net/ipv6/tcp_ipv6.c', (guest) => renderTcp(guest, 6), noAddresses],
  ['udp', 'net/ipv4/udp.c', (guest) => renderUdp(guest.udpSockets(), 4), noAddresses],
  ['udp6', 'net/ipv6/udp.c', (guest) => renderUdp(guest.udpSockets(), 6), noAddresses],
  ['udplite', 'net/ipv4/udplite.c', (guest) => renderUdp(guest.udpLiteSockets(), 4), noAddresses],
  ['udplite6', 'net/ipv6/udplite.c', (guest) => renderUdp(guest.udpLiteSockets(), 6), noAddresses],
  ['unix', 'net/unix/af_unix.c', renderUnix, noAddresses],
];

const network: readonly ProcRow[] = [
  traceeDirectory('net', 'fs/proc/proc_net.c: proc_pid_net', {
    missing: 'the files below, of the initial network namespace; others and `stat` are absent',
  }),
  ...networkFiles.map(([name, source, render, missing]) =>
    ifKnown(traceeFile(`net/${name}`, source, render, missing === undefined ? {} : { missing })),
  ),
];

/** A tracee's own directory: what is the guest's there, then what is its own. */
const traceeSources = {
  'fs/proc/base.c': [
    'auxv',
    'attr',
    'autogroup',
    'cmdline',
    'comm',
    'coredump_filter',
    'cwd',
    'environ',
    'exe',
    'gid_map',
    'io',
    'limits',
    'loginuid',
    'map_files',
    'mem',
    'oom_adj',
    'oom_score',
    'oom_score_adj',
    'personality',
    'projid_map',
    'root',
    'sched',
    'schedstat',
    'sessionid',
    'setgroups',
    'stack',
    'syscall',
    'timens_offsets',
    'timers',
    'timerslack_ns',
    'uid_map',
    'wchan',
  ],
  'fs/proc/array.c': ['children', 'stat', 'statm', 'status'],
  'fs/proc/fd.c': ['fd', 'fdinfo'],
  'fs/proc/namespaces.c': ['ns'],
  'fs/proc/task_mmu.c': ['clear_refs', 'maps', 'numa_maps', 'pagemap', 'smaps', 'smaps_rollup'],
} as const;

const tracees: readonly ProcRow[] = [
  traceeFile('mounts', 'fs/proc_namespace.c', (guest) => renderMounts(guest.mounts()), {
    missing: `the guest's, as pid 1 sees them, without ${moduleOptions}`,
  }),
  traceeFile('mountinfo', 'fs/proc_namespace.c', (guest) => renderMountInfo(guest.mounts()), {
    missing: `the guest's, as pid 1 sees them, without ${moduleOptions}`,
  }),
  traceeFile(
    'cgroup',
    'kernel/cgroup/cgroup.c: proc_cgroup_show',
    (guest) => {
      const process = init(guest);
      return process && renderCgroup(process);
    },
    { note: "that of the guest's init" },
  ),
  traceeThreads('task', 'fs/proc/base.c: proc_task_operations', {
    note: 'each thread with the same entries',
  }),
  ...Object.entries(traceeSources).flatMap(([source, names]) =>
    names.map((name) => traceeLink(name, source)),
  ),
  ...network,
];

const needsReader = 'not read from the guest';
const hardware = 'describes hardware that the sandbox does not have; not read from the guest';

/** What a guest of ours has and we do not show. */
const unknown: readonly ProcRow[] = [
  absent(
    '[pid]/{attr,autogroup,coredump_filter,cpuset,gid_map,map_files,mem,mountstats,net,numa_maps}',
    'fs/proc/base.c',
    needsReader,
  ),
  absent(
    '[pid]/{pagemap,projid_map,sched,setgroups,smaps,smaps_rollup,stack,syscall,timers,uid_map,wchan}',
    'fs/proc/base.c',
    needsReader,
  ),
  absent(
    '[pid]/task/[tid]/**',
    'fs/proc/base.c',
    "what is not above: it is in the process's own directory, where all threads have it in common",
  ),
  absent('[tracee]/{cpuset,mountstats}', 'fs/proc/base.c', "would name the host's cgroups and mounts"),
  absent('{acpi,bus,driver,fs,irq,scsi}', 'fs/proc/root.c', needsReader),
  absent('buddyinfo', 'mm/vmstat.c', needsReader),
  absent('cgroups', 'kernel/cgroup/cgroup-v1.c', needsReader),
  absent('consoles', 'fs/proc/consoles.c', needsReader),
  absent('crypto', 'crypto/proc.c', needsReader),
  absent('dma', 'kernel/dma.c', hardware),
  absent('execdomains', 'kernel/exec_domain.c', needsReader),
  absent('fb', 'drivers/video/fbdev/core/fbmem.c', hardware),
  absent('iomem', 'kernel/resource.c', hardware),
  absent('ioports', 'kernel/resource.c', hardware),
  absent('kallsyms', 'kernel/kallsyms.c', needsReader),
  absent('kcore', 'fs/proc/kcore.c', "the guest's whole memory"),
  absent('key-users', 'security/keys/proc.c', needsReader),
  absent('keys', 'security/keys/proc.c', needsReader),
  absent('kmsg', 'fs/proc/kmsg.c', needsReader),
  absent('mtrr', 'arch/x86/kernel/cpu/mtrr/if.c', hardware),
  absent('pagetypeinfo', 'mm/vmstat.c', needsReader),
  absent('pressure/{cpu,io,memory,irq}', 'kernel/sched/psi.c', needsReader),
  absent('schedstat', 'kernel/sched/stats.c', needsReader),
  absent('slabinfo', 'mm/slab_common.c', needsReader),
  absent('sys/fs/binfmt_misc/**', 'fs/binfmt_misc.c', 'a file system of its own, not read from the guest'),
  absent('sysrq-trigger', 'drivers/tty/sysrq.c', 'acts on the running system'),
  absent('sysvipc/{msg,sem,shm}', 'ipc/util.c', needsReader),
  absent('timer_list', 'kernel/time/timer_list.c', needsReader),
  absent('tty/{drivers,ldiscs}', 'fs/proc/proc_tty.c', needsReader),
  absent('vmallocinfo', 'mm/vmalloc.c', needsReader),
  absent('zoneinfo', 'mm/vmstat.c', needsReader),
];

/**
 * All of the shadow `/proc`, one row a file or a family of files. What has no row does not exist there: no
 * file of the host's is ever shown, and each attempt to use one is in the log.
 */
export const procTable: readonly ProcRow[] = [
  ...system,
  ...sysctl,
  ...processes,
  ...resources,
  ...tracees,
  ...unknown,
];
