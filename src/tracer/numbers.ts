/**
 * System call numbers of every call that the table of syscalls.ts may name, as asm/unistd_64.h, unistd_x32.h,
 * unistd_32.h and asm-generic/unistd.h give them.
 */

/** Numberings: native x86-64, its x32 ABI, 32-bit x86 programs, and aarch64. */
export const abis = ['x86_64', 'x32', 'i386', 'aarch64'] as const;
export type Abi = (typeof abis)[number];

/** The bit that marks x32 calls, `__X32_SYSCALL_BIT` in asm/unistd.h. The table has the numbers without it. */
export const x32Bit = 0x4000_0000;

/** The ABI lacks the call. */
const none = undefined;

type Numbers = readonly [
  x86_64: number | undefined,
  x32: number | undefined,
  i386: number | undefined,
  aarch64: number | undefined,
];

const table = {
  execve: [59, 520, 11, 221],
  execveat: [322, 545, 358, 281],
  uname: [63, 63, 122, 160],
  olduname: [none, none, 109, none],
  oldolduname: [none, none, 59, none],
  personality: [135, 135, 136, 92],
  readlink: [89, 89, 85, none],
  readlinkat: [267, 267, 305, 78],
  seccomp: [317, 317, 354, 277],
  statfs: [137, 137, 99, 43],
  fstatfs: [138, 138, 100, 44],
  statfs64: [none, none, 268, none],
  fstatfs64: [none, none, 269, none],
  ptrace: [101, 521, 26, 117],
  io_uring_setup: [425, 425, 425, 425],
  sysinfo: [99, 99, 116, 179],
  sched_getaffinity: [204, 204, 242, 123],
  sched_setaffinity: [203, 203, 241, 122],
  kill: [62, 62, 37, 129],
  tkill: [200, 200, 238, 130],
  tgkill: [234, 234, 270, 131],
  rt_sigqueueinfo: [129, 524, 178, 138],
  rt_tgsigqueueinfo: [297, 536, 335, 240],
  pidfd_open: [434, 434, 434, 434],
  pidfd_send_signal: [424, 424, 424, 424],
  pidfd_getfd: [438, 438, 438, 438],
  getpgid: [121, 121, 132, 155],
  getsid: [124, 124, 147, 156],
  getpriority: [140, 140, 96, 141],
  setpriority: [141, 141, 97, 140],
  sched_getparam: [143, 143, 155, 121],
  sched_setparam: [142, 142, 154, 118],
  sched_getscheduler: [145, 145, 157, 120],
  sched_setscheduler: [144, 144, 156, 119],
  sched_rr_get_interval: [148, 148, 161, 127],
  sched_rr_get_interval_time64: [none, none, 423, none],
  sched_getattr: [315, 315, 352, 275],
  sched_setattr: [314, 314, 351, 274],
  prlimit64: [302, 302, 340, 261],
  waitid: [247, 529, 284, 95],
  ioprio_get: [252, 252, 290, 31],
  ioprio_set: [251, 251, 289, 30],
  open: [2, 2, 5, none],
  openat: [257, 257, 295, 56],
  openat2: [437, 437, 437, 437],
  creat: [85, 85, 8, none],
  open_by_handle_at: [304, 304, 342, 265],
  truncate: [76, 76, 92, 45],
  ftruncate: [77, 77, 93, 46],
  truncate64: [none, none, 193, none],
  ftruncate64: [none, none, 194, none],
  rename: [82, 82, 38, none],
  renameat: [264, 264, 302, 38],
  renameat2: [316, 316, 353, 276],
  link: [86, 86, 9, none],
  linkat: [265, 265, 303, 37],
  symlink: [88, 88, 83, none],
  symlinkat: [266, 266, 304, 36],
  unlink: [87, 87, 10, none],
  unlinkat: [263, 263, 301, 35],
  rmdir: [84, 84, 40, none],
  mkdir: [83, 83, 39, none],
  mkdirat: [258, 258, 296, 34],
  mknod: [133, 133, 14, none],
  mknodat: [259, 259, 297, 33],
  chmod: [90, 90, 15, none],
  fchmod: [91, 91, 94, 52],
  fchmodat: [268, 268, 306, 53],
  fchmodat2: [452, 452, 452, 452],
  chown: [92, 92, 182, none],
  fchown: [93, 93, 95, 55],
  lchown: [94, 94, 16, none],
  fchownat: [260, 260, 298, 54],
  chown32: [none, none, 212, none],
  fchown32: [none, none, 207, none],
  lchown32: [none, none, 198, none],
  setxattr: [188, 188, 226, 5],
  lsetxattr: [189, 189, 227, 6],
  fsetxattr: [190, 190, 228, 7],
  setxattrat: [463, 463, 463, 463],
  removexattr: [197, 197, 235, 14],
  lremovexattr: [198, 198, 236, 15],
  fremovexattr: [199, 199, 237, 16],
  removexattrat: [466, 466, 466, 466],
  connect: [42, 42, 362, 203],
  bind: [49, 49, 361, 200],
  socketcall: [none, none, 102, none],
} as const satisfies Record<string, Numbers>;

export type SyscallName = keyof typeof table;

export const syscallNames = Object.keys(table) as readonly SyscallName[];

export function numberOf(name: SyscallName, abi: Abi): number | undefined {
  return table[name][abis.indexOf(abi)];
}
