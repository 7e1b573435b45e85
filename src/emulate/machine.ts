import { OuaError } from '../base/errors.js';
import type { Guest } from '../guest/guest.js';
import type { MachineAnswers } from '../tracer/tracer.js';

/** The parts of a guest that say what its machine is. */
export type Machine = Pick<Guest, 'memInfo' | 'uptime' | 'loads' | 'processes' | 'cpuNumbers'>;

const pageSize = 4096n;
const wordSize = 8;
/** NR_CPUS of distributions' kernels is at most 8192. */
const maxCpuIds = 8192;

/**
 * What the guest's machine is to those who ask by system calls, the same as its `/proc` says.
 *
 * @throws OuaError `GUEST_INCONSISTENT` for CPU numbers that no kernel has.
 */
export function packMachine(guest: Machine): MachineAnswers {
  const info = readInfo(guest);
  const { online, ids } = guest.cpuNumbers();
  return {
    sysinfo: Buffer.concat([packNative(info), packCompat(info)]),
    cpuIds: ids,
    cpus: packCpus(online, ids),
  };
}

/** `struct sysinfo`, linux/sysinfo.h; sizes in bytes. */
interface SysInfo {
  readonly uptime: bigint;
  readonly loads: readonly bigint[];
  readonly sizes: readonly bigint[];
  readonly processes: number;
}

/** do_sysinfo(), kernel/sys.c. Memory above what a kernel can address itself is a matter of 32-bit kernels. */
function readInfo(guest: Machine): SysInfo {
  const memory = new Map(guest.memInfo());
  const bytes = (name: string) => BigInt(memory.get(name) ?? 0) * 1024n;
  return {
    uptime: BigInt(Math.ceil(guest.uptime().up)),
    loads: guest.loads().map(BigInt),
    sizes: ['MemTotal', 'MemFree', 'Shmem', 'Buffers', 'SwapTotal', 'SwapFree'].map(bytes),
    processes: guest.processes().reduce((sum, { threads }) => sum + threads, 0) & 0xffff,
  };
}

function packNative({ uptime, loads, sizes, processes }: SysInfo): Buffer {
  const bytes = Buffer.alloc(112);
  [uptime, ...loads, ...sizes].forEach((value, index) => bytes.writeBigUInt64LE(value, index * 8));
  bytes.writeUInt16LE(processes, 80);
  bytes.writeUInt32LE(1, 104);
  return bytes;
}

/** COMPAT_SYSCALL_DEFINE1(sysinfo): in pages when bytes do not fit into 32 bits. */
function packCompat({ uptime, loads, sizes, processes }: SysInfo): Buffer {
  const [total = 0n, , , , swap = 0n] = sizes;
  const unit = total > 0xffff_ffffn || swap > 0xffff_ffffn ? pageSize : 1n;
  const bytes = Buffer.alloc(64);
  [uptime, ...loads, ...sizes.map((size) => size / unit)].forEach((value, index) =>
    bytes.writeUInt32LE(Number(BigInt.asUintN(32, value)), index * 4),
  );
  bytes.writeUInt16LE(processes, 40);
  bytes.writeUInt32LE(Number(unit), 52);
  return bytes;
}

function packCpus(online: readonly number[], ids: number): Buffer {
  if (ids < 1 || ids > maxCpuIds || online.length === 0 || online.some((cpu) => cpu < 0 || cpu >= ids))
    throw new OuaError(
      'GUEST_INCONSISTENT',
      `the guest's CPUs are ${online.join(', ')} of ${ids}`,
      'check that the memory image is whole and belongs to this guest',
    );
  const mask = Buffer.alloc(Math.ceil(ids / (8 * wordSize)) * wordSize);
  for (const cpu of online) mask[cpu >>> 3] = (mask[cpu >>> 3] ?? 0) | (1 << (cpu & 7));
  return mask;
}
