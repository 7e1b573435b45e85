import type { Kernel } from '../kernel/kernel.js';
import { inconsistent, listEntries } from '../kernel/lists.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';
import type { StructView } from '../kernel/struct-view.js';
import { partitionsOf, type Disk, type Part } from './block-partitions.js';
import { deviceNumber } from './files.js';
import type { DeviceNumber } from './guest.js';
import { ticksPerSecond } from './time.js';

/** Counts of one kind of request. */
export interface RequestCounts {
  readonly requests: bigint;
  readonly merges: bigint;
  /** Of 512 bytes. */
  readonly sectors: bigint;
  readonly milliseconds: bigint;
}

/** A disk or a partition of one, in the order of `/proc/partitions`. */
export interface BlockDevice {
  readonly device: DeviceNumber;
  readonly name: string;
  /** 0 for the whole disk. */
  readonly partition: number;
  /** Of 512 bytes. */
  readonly sectors: bigint;
  /** `/proc/partitions` leaves out the whole disk, and with it its partitions, when it is hidden or empty. */
  readonly listed: boolean;
  readonly counts: Readonly<Record<'read' | 'write' | 'discard' | 'flush', RequestCounts>>;
  /** Requests on the way to a device that counts them itself; undefined for a multi-queue device. */
  readonly inFlight: bigint | undefined;
  readonly ioMilliseconds: bigint;
  readonly weightedMilliseconds: bigint;
}

/** KNODE_DEAD, `lib/klist.c`: an entry that is about to go. */
const KNODE_DEAD = 1n;
/** The order of the groups in struct disk_stats: enum stat_group. */
const groups = ['read', 'write', 'discard', 'flush'] as const;
const nsPerMs = 1_000_000n;
const maxName = 32;

/**
 * The disks in the order of the class of block devices, each before its partitions.
 * @throws OuaError `GUEST_INCONSISTENT` when one does not lead back to where it was found, `KERNEL_UNSUPPORTED`
 */
export function readBlockDevices(kernel: Kernel): BlockDevice[] {
  const hz = BigInt(ticksPerSecond(kernel));
  const devices: BlockDevice[] = [];
  const disks = new Set<bigint>();
  const way = partitionsOf(kernel);
  for (const device of blockClassDevices(kernel)) {
    const disk = way.diskOf(kernel, device);
    if (disk !== undefined) disks.add(disk);
  }
  for (const address of disks) {
    const disk = kernel.view('gendisk', address);
    const parts = way.parts(kernel, disk);
    const whole = parts.find(({ number }) => number === 0);
    const listed = whole !== undefined && whole.sectors > 0n && !way.unlisted(kernel, disk);
    for (const part of parts) devices.push(describe(kernel, part, disk, listed, hz));
  }
  return devices;
}

/** Addresses of the `struct device`s of the class "block": disks and partitions. */
function* blockClassDevices(kernel: Kernel): Generator<bigint> {
  const subsystem = classSubsystem(kernel, kernel.symbol('block_class'));
  const list = kernel.view('klist', subsystem.at('devices')).at('list');
  for (const link of listEntries(kernel, list, 'block devices')) {
    const node = kernel.container('klist_node', 'node', link);
    if (node.pointer('klist') & KNODE_DEAD) continue;
    yield kernel.container('device_private', 'knode_class', node.address).pointer('device');
  }
}

function classSubsystem(kernel: Kernel, address: bigint): StructView<'subsys_private'> {
  if (kernel.has('class', 'p'))
    return kernel.view('subsys_private', kernel.view('class', address).pointer('p'));
  const classes = kernel.view('kset', kernel.pointer(kernel.symbol('class_kset'))).at('list');
  for (const link of listEntries(kernel, classes, 'device classes')) {
    const subsystem = kernel.container('subsys_private', 'kset_entry', link);
    if (subsystem.pointer('class') === address) return subsystem;
  }
  throw inconsistent('the class of block devices is not among the device classes');
}

function describe(kernel: Kernel, part: Part, disk: Disk, listed: boolean, hz: bigint): BlockDevice {
  const partition = part.number;
  const diskName = disk.text('disk_name').slice(0, maxName);
  const infix = /\d$/.test(diskName) ? 'p' : '';
  const stats = cpusIn(kernel, '__cpu_possible_mask').map((cpu) =>
    kernel.view('disk_stats', perCpuAddress(kernel, part.stats, cpu)),
  );
  const sum = (field: 'nsecs' | 'sectors' | 'ios' | 'merges', group: number) =>
    stats.reduce((total, stat) => total + stat.raw(field).readBigUInt64LE(group * 8), 0n);
  const counts = (group: number): RequestCounts => ({
    requests: sum('ios', group),
    merges: sum('merges', group),
    sectors: sum('sectors', group),
    milliseconds: sum('nsecs', group) / nsPerMs,
  });
  const multiQueue = kernel.view('request_queue', disk.pointer('queue')).pointer('mq_ops') !== 0n;
  return {
    device: deviceNumber(part.device),
    name: partition === 0 ? diskName : `${diskName}${infix}${partition}`,
    partition,
    sectors: part.sectors,
    listed,
    counts: { read: counts(0), write: counts(1), discard: counts(2), flush: counts(3) },
    inFlight: multiQueue ? undefined : inFlight(stats),
    // Ticks that a CPU added are in the device's own count.
    ioMilliseconds: (stats.reduce((total, stat) => total + stat.u64('io_ticks'), 0n) * 1000n) / hz,
    weightedMilliseconds: groups.reduce((total, _, group) => total + sum('nsecs', group), 0n) / nsPerMs,
  };
}

/** part_in_flight(): a request may end on another CPU than it began on, so that one alone can be negative. */
function inFlight(stats: readonly StructView<'disk_stats'>[]): bigint {
  const total = stats.reduce((count, stat) => {
    const bytes = stat.raw('in_flight');
    return count + bytes.readBigInt64LE(0) + bytes.readBigInt64LE(8);
  }, 0n);
  return total > 0n ? total : 0n;
}
