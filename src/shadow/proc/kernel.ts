import type { Guest, KernelModule, Mount } from '../../guest/guest.js';
import { hundredths, lines, octalEscape } from './text.js';

/** `/proc/version` (`version_proc_show`, fs/proc/version.c). The banner is the same text. */
export function renderVersion({ banner }: Guest): string {
  return `${banner.trimEnd()}\n`;
}

/** `/proc/uptime` (`uptime_proc_show`, fs/proc/uptime.c). */
export function renderUptime(guest: Guest): string {
  const { up, idle } = guest.uptime();
  return `${hundredths(up)} ${hundredths(idle)}\n`;
}

/** `/proc/loadavg` (`loadavg_proc_show`, fs/proc/loadavg.c). */
export function renderLoadAverage(guest: Guest): string {
  const processes = guest.processes();
  const running = processes.filter(({ state }) => state === 'R').length;
  const threads = processes.reduce((sum, process) => sum + process.threads, 0);
  const last = guest.lastPid?.() ?? Math.max(0, ...processes.map(({ pid }) => pid));
  return `${guest.loadAverage().map(hundredths).join(' ')} ${running}/${threads} ${last}\n`;
}

/** `/proc/filesystems` (`filesystems_proc_show`, fs/filesystems.c). */
export function renderFileSystems(guest: Guest): string {
  return lines(guest.fileSystemTypes().map(({ name, nodev }) => `${nodev ? 'nodev' : ''}\t${name}`));
}

/** `/proc/meminfo` (`meminfo_proc_show`, fs/proc/meminfo.c; the huge page counts `hugetlb_report_meminfo`, mm/hugetlb.c). */
export function renderMemInfo(guest: Guest): string {
  return lines(
    guest
      .memInfo()
      .map(([name, value]) =>
        name.startsWith('HugePages_')
          ? `${name}:`.padEnd(19) + String(value).padStart(5)
          : `${name}:`.padEnd(16) + `${String(value).padStart(8)} kB`,
      ),
  );
}

/** `/proc/modules` (`m_show`, kernel/module/procfs.c). */
export function renderModules(guest: Guest): string {
  return lines(guest.modules().map(moduleLine));
}

function moduleLine(module: KernelModule): string {
  const users = module.usedBy.length ? module.usedBy.map((name) => `${name},`).join('') : '-';
  const taints = module.taints ? ` (${module.taints})` : '';
  return `${module.name} ${module.size} ${module.refcount} ${users} ${module.state} 0x${module.address.toString(16).padStart(16, '0')}${taints}`;
}

/** Options of a superblock that are the kernel's own, not the file system's (`show_sb_opts`, fs/proc_namespace.c). */
const superblockFlags = new Set(['sync', 'dirsync', 'mand', 'lazytime']);

/** `/proc/locks` (`lock_get_status`, fs/locks.c). */
export function renderLocks(guest: Guest): string {
  return lines(
    guest.fileLocks().map(({ kind, access, pid, device, inode, start, end }, index) => {
      const hex = (number: number) => number.toString(16).padStart(2, '0');
      const range = kind === 'FLOCK' ? '0 EOF' : `${start} ${end === endOfFile ? 'EOF' : end}`;
      return `${index + 1}: ${kind.padEnd(6)} ADVISORY  ${access} ${pid ?? -1} ${hex(device.major)}:${hex(device.minor)}:${inode} ${range}`;
    }),
  );
}

/** OFFSET_MAX. */
const endOfFile = 2n ** 63n - 1n;

/** `/proc/<pid>/mounts` (`show_vfsmnt`, fs/proc_namespace.c). */
export function renderMounts(mounts: readonly Mount[]): string {
  return lines(mounts.map(mountLine));
}

function mountLine(mount: Mount): string {
  const [access, ...options] = mount.options.split(',');
  const [superAccess, ...superOptions] = mount.superOptions.split(',');
  const all = [
    access === 'ro' || superAccess === 'ro' ? 'ro' : 'rw',
    ...superOptions.filter((option) => superblockFlags.has(option)),
    ...options,
    ...superOptions.filter((option) => !superblockFlags.has(option)),
  ];
  return `${source(mount)} ${point(mount.mountPoint)} ${mount.type} ${all.join(',')} 0 0`;
}

/** `/proc/<pid>/mountinfo` (`show_mountinfo`, fs/proc_namespace.c). */
export function renderMountInfo(mounts: readonly Mount[]): string {
  return lines(
    mounts.map((mount) =>
      [
        mount.id,
        mount.parentId,
        `${mount.device.major}:${mount.device.minor}`,
        point(mount.root),
        point(mount.mountPoint),
        mount.options,
        ...(mount.propagation ? [mount.propagation] : []),
        '-',
        mount.type,
        source(mount),
        mount.superOptions,
      ].join(' '),
    ),
  );
}

const point = (path: string) => octalEscape(path, ' \t\n');
const source = (mount: Mount) => octalEscape(mount.source || 'none', ' \t\n#');
