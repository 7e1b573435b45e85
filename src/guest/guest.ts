import type { NetworkState } from './network-state.js';
import type { ProcessResources } from './process-resources.js';
import type { SystemState } from './system-state.js';
import type { GuestFiles } from './guest-files.js';
import type { LogRecord } from './kernel-log.js';
import type { ModuleParameter } from './module-parameters.js';

/** utsname of the guest, uname(2). */
export interface Uts {
  readonly sysname: string;
  readonly nodename: string;
  readonly release: string;
  readonly version: string;
  readonly machine: string;
  readonly domainname: string;
}

/** One thread group of the guest. Times are in the kernel's own units: nanoseconds. */
export interface Process {
  readonly pid: number;
  readonly ppid: number;
  readonly pgrp: number;
  readonly session: number;
  /** As `/proc/<pid>/comm` shows it: a kernel thread's full name, a worker with what it works on. */
  readonly comm: string;
  /** One letter as in proc(5) `stat` field 3. */
  readonly state: string;
  /** `PF_*` bits. */
  readonly flags: number;
  readonly kernelThread: boolean;
  readonly uids: readonly [real: number, effective: number, saved: number, filesystem: number];
  readonly gids: readonly [real: number, effective: number, saved: number, filesystem: number];
  readonly groups: readonly number[];
  readonly threads: number;
  /** Thread ids, the leader's among them. */
  readonly tids?: readonly number[];
  readonly startBootTime: bigint;
  readonly utime: bigint;
  readonly stime: bigint;
  readonly cutime: bigint;
  readonly cstime: bigint;
  readonly minFaults: bigint;
  readonly majFaults: bigint;
  readonly childMinFaults: bigint;
  readonly childMajFaults: bigint;
  readonly priority: number;
  readonly nice: number;
  readonly policy: number;
  readonly rtPriority: number;
  readonly processor: number;
  /** Device number as in `stat` field 7, 0 for none. */
  readonly ttyNr: number;
  /** Bytes; 0 for kernel threads. */
  readonly vsize: bigint;
  /** Pages; 0 for kernel threads. */
  readonly rss: bigint;
  /** NUL-separated arguments as the process has them, or undefined when their pages are not in memory. */
  readonly cmdline: Buffer | undefined;
  readonly capabilities: {
    readonly inheritable: bigint;
    readonly permitted: bigint;
    readonly effective: bigint;
    readonly bounding: bigint;
    readonly ambient: bigint;
  };
  /** Absent when it was not read: the files that show it then leave it out or show what an unprivileged reader sees. */
  readonly detail?: ProcessDetail;
  /** Path in the default cgroup hierarchy, e.g. `/init.scope`. */
  readonly cgroup?: string;
  /** Path of the executable, as `/proc/<pid>/exe` reads; absent for kernel threads too. */
  readonly exe?: string;
  /** Working directory and root, as `/proc/<pid>/cwd` and `root` read; absent for a task without `fs`. */
  readonly cwd?: string;
  readonly root?: string;
}

/**
 * One thread of a process, as `/proc/<pid>/task/<tid>` shows it: `pid` is its own number, and times and faults are its own
 * alone.
 */
export interface Thread extends Process {
  /** The number of its process. */
  readonly tgid: number;
}

/**
 * The rest of what `/proc/<pid>/stat` and `status` show (fs/proc/array.c). Signal sets have bit n-1 for signal n.
 */
export interface ProcessDetail {
  /** Foreground process group of the terminal; -1 without one. */
  readonly ttyPgrp: number;
  /** Soft RLIMIT_RSS, bytes. */
  readonly rssLimit: bigint;
  /** Signal that the parent gets at exit; -1 for threads. */
  readonly exitSignal: number;
  readonly exitCode: number;
  /** Addresses in the process; undefined for kernel threads. */
  readonly layout:
    | {
        readonly startCode: bigint;
        readonly endCode: bigint;
        readonly startStack: bigint;
        readonly startData: bigint;
        readonly endData: bigint;
        readonly startBrk: bigint;
        readonly argStart: bigint;
        readonly argEnd: bigint;
        readonly envStart: bigint;
        readonly envEnd: bigint;
      }
    | undefined;
  /** Signals queued for the user (`ucounts`), and the soft RLIMIT_SIGPENDING. */
  readonly sigQueued: bigint;
  readonly sigQueueLimit: bigint;
  /** All resource limits by their numbers, getrlimit(2). */
  readonly limits?: readonly (readonly [soft: bigint, hard: bigint])[];
  /** `task.pending`, `signal.shared_pending`, `task.blocked`, and the dispositions in `sighand`. */
  readonly signals: {
    readonly pending: bigint;
    readonly sharedPending: bigint;
    readonly blocked: bigint;
    readonly ignored: bigint;
    readonly caught: bigint;
  };
  /** Block I/O delay in clock ticks; guest CPU times in nanoseconds. */
  readonly blockDelay: bigint;
  readonly guestTime: bigint;
  readonly childGuestTime: bigint;
  /** `fs.umask`; undefined for a task without `fs`. */
  readonly umask: number | undefined;
  /** `files.fdt.max_fds`, 0 for a task without files. */
  readonly fdSize: number;
  readonly voluntarySwitches: bigint;
  readonly involuntarySwitches: bigint;
  readonly noNewPrivs: boolean;
  /** `task.seccomp.mode` and `filter_count`. */
  readonly seccompMode: number;
  readonly seccompFilters: number;
  /** Figures of the address space in KiB, undefined for kernel threads. */
  readonly memory:
    | {
        readonly peak: number;
        readonly size: number;
        readonly locked: number;
        readonly pinned: number;
        readonly highWaterRss: number;
        readonly rssAnon: number;
        readonly rssFile: number;
        readonly rssShmem: number;
        readonly data: number;
        readonly stack: number;
        readonly text: number;
        readonly library: number;
        readonly pageTables: number;
        readonly swap: number;
      }
    | undefined;
}

/** One mapping of a process's address space, proc_pid_maps(5). */
export interface MemoryMap {
  /** Half-open range of the process's addresses. */
  readonly start: bigint;
  readonly end: bigint;
  /** `r`, `w`, `x` or `-` each, then `s`hared or `p`rivate. */
  readonly access: string;
  /** Bytes into the file; 0 without one. */
  readonly offset: bigint;
  readonly device: DeviceNumber;
  /** 0 without a file. */
  readonly inode: bigint;
  /** The file as init sees it, not escaped, or what the mapping is for (`[stack]`). */
  readonly name?: string;
}

/** A descriptor that a process has open. */
export interface OpenFile {
  readonly descriptor: number;
  readonly readable: boolean;
  readonly writable: boolean;
  /** As `/proc/<pid>/fd/N` reads: a path as init sees it, or `socket:[7]` and its like. */
  readonly target: string;
  /** Bytes from the start of the file. */
  readonly position: bigint;
  /** `O_*` bits of open(2), with O_CLOEXEC. */
  readonly flags: number;
  /** The mount that it was opened through, as in `mountinfo`. */
  readonly mountId: number;
}

/** What one process has: see the methods of {@link Guest} that give it. */
export type ByProcess<T> = ReadonlyMap<number, T>;

export interface FileSystemType {
  readonly name: string;
  readonly nodev: boolean;
}

export interface KernelModule {
  readonly name: string;
  /** Bytes of core memory as `/proc/modules` prints. */
  readonly size: number;
  readonly refcount: number;
  readonly usedBy: readonly string[];
  readonly state: 'Live' | 'Loading' | 'Unloading';
  readonly address: bigint;
  /** Taint letters as in `/proc/modules`, e.g. `OE`, or empty. */
  readonly taints: string;
}

/** One mount of the initial mount namespace, in `/proc/1/mountinfo` order. */
export interface Mount {
  readonly id: number;
  readonly parentId: number;
  readonly device: DeviceNumber;
  /** Path of the mount's root within its file system; not escaped, `//deleted` behind it as the kernel prints. */
  readonly root: string;
  /** As init sees it, from its own root; not escaped. */
  readonly mountPoint: string;
  /** Per-mount options as `mountinfo` field 6, e.g. `rw,nosuid`. */
  readonly options: string;
  /** With the subtype, e.g. `fuse.sshfs`. */
  readonly type: string;
  readonly source: string;
  readonly superOptions: string;
  /** Optional fields of mountinfo, e.g. `shared:7 master:1`; empty for a private mount. */
  readonly propagation?: string;
  /** File system UUID in 8-4-4-4-12 form, or undefined when all zero. */
  readonly uuid: string | undefined;
}

/** A device number, st_dev of stat(2) in its two parts. */
export interface DeviceNumber {
  readonly major: number;
  readonly minor: number;
}

/** A file of the guest by what tells it from any other. */
export interface FileIdentity {
  readonly device: DeviceNumber;
  /** st_ino of stat(2). */
  readonly inode: bigint;
  /**
   * As init sees it, not escaped. Absent when the kernel has no name of it cached, or none that init can reach.
   */
  readonly path?: string;
}

/** A lock that is held, as `/proc/locks` shows it (proc_locks(5)); leases are not among them. */
export interface FileLock extends FileIdentity {
  readonly kind: 'POSIX' | 'OFDLCK' | 'FLOCK';
  readonly access: 'READ' | 'WRITE';
  /** Who asked for it; undefined for an `OFDLCK`, which belongs to an open file. */
  readonly pid: number | undefined;
  /** First and last byte; 2^63 - 1 is the end of the file. */
  readonly start: bigint;
  readonly end: bigint;
}

/** A regular file or directory whose newest state may be in memory only. */
export interface UnwrittenFile extends FileIdentity {
  /**
   * `data`: at least one page of its content is not on the disk, or on its way there. `metadata`: it waits for the
   * write-back of its inode only. A journal may have brought that to the disk already.
   */
  readonly kind: 'data' | 'metadata';
}

/**
 * Kernel memory figures for `/proc/meminfo`, in the file's order: KiB, but for the `HugePages_*` rows, which
 * count pages. Rows that the memory image does not tell are left out.
 */
export type MemInfo = readonly (readonly [name: string, kib: number])[];

/**
 * The suspended guest as its own kernel saw it. Each call reads the memory image; nothing changes between
 * two calls, because the guest stands still.
 *
 * All methods throw OuaError `GUEST_INCONSISTENT` when structures contradict themselves: never garbage.
 */
export interface Guest extends Disposable, SystemState, NetworkState {
  /** The whole `linux_banner`. */
  readonly banner: string;
  readonly uts: Uts;
  processes(): readonly Process[];
  /**
   * By pid. A process is missing when it has no memory of its own, a mapping whose name is not known, or was suspended
   * while they were changed.
   */
  memoryMaps(): ByProcess<readonly MemoryMap[]>;
  /** By pid, ascending descriptors. One whose name is not known is left out. */
  openFiles(): ByProcess<readonly OpenFile[]>;
  /** By pid, ascending numbers of threads. */
  threads(): ByProcess<readonly Thread[]>;
  /** By pid, what is mounted in each process's mount namespace, as it sees that from its own root. */
  processMounts(): ByProcess<readonly Mount[]>;
  /** What the smaller files of each process's directory show. */
  processResources(): ByProcess<ProcessResources>;
  fileSystemTypes(): readonly FileSystemType[];
  modules(): readonly KernelModule[];
  /** By module and name. */
  moduleParameters(): readonly ModuleParameter[];
  /** Oldest first. */
  kernelLog(): readonly LogRecord[];
  mounts(): readonly Mount[];
  /** Those of them that a path leads into, one of each mount point. */
  reachableMounts(): readonly Mount[];
  memInfo(): MemInfo;
  /** The locks that are held on files, by CPU. */
  fileLocks(): readonly FileLock[];
  /**
   * What waits for write-back on file systems that need a device, unlinked files left out. Not seen: changes that are
   * only in a journal's running transaction (names in ext4's directories among them), and I/O past the page cache.
   */
  unwrittenFiles(): readonly UnwrittenFile[];
  /** The files that memory holds: those of tmpfs, and what is cached of others. */
  readonly files: GuestFiles;
  /** Kernel command line, without a newline. */
  commandLine(): string;
  /** 8-4-4-4-12 text of `/proc/sys/kernel/random/boot_id`, or undefined when nothing has read it yet. */
  bootId(): string | undefined;
  /** Seconds since boot and the sum over CPUs of idle seconds, as in `/proc/uptime`. */
  uptime(): { readonly up: number; readonly idle: number };
  /** The guest's wall clock at the suspend: seconds since the epoch. */
  wallClock(): number;
  /** With the two digits that `/proc/loadavg` shows. */
  loadAverage(): readonly [number, number, number];
  /** The same three in full, as sysinfo(2) shows them: in units of 1/65536. */
  loads(): readonly [number, number, number];
  /** The pid that was given out last, as in `/proc/loadavg`. */
  lastPid?(): number;
  /** The CPUs that are online, by number, and how many numbers the kernel has room for (`nr_cpu_ids`). */
  cpuNumbers(): { readonly online: readonly number[]; readonly ids: number };
  /** Possible, present and online CPU counts. */
  cpus(): { readonly online: number; readonly present: number };
  pidMax(): number;
  ngroupsMax(): number;
  /**
   * Values of sysctls by their path below `/proc/sys`, without the trailing newline,
   * e.g. `net/ipv6/conf/all/disable_ipv6` → `0`.
   */
  sysctls(): ReadonlyMap<string, string>;
}
