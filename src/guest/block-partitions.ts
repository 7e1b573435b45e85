import type { OuaError } from '../base/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import { readWord } from '../kernel/words.js';
import { xarrayEntries } from '../kernel/xarray.js';

export type Disk = StructView<'gendisk'>;

/** What the kernel keeps of a partition, and as number 0 of a whole disk. */
export interface Part {
  readonly number: number;
  readonly device: number;
  readonly sectors: bigint;
  /** Per-CPU address of its `struct disk_stats`. */
  readonly stats: bigint;
}

/** GENHD_FL_* of `include/linux/genhd.h`, the last before it was an enumerator (5.17). */
const GENHD_FL_REMOVABLE = 0x1;
const GENHD_FL_SUPPRESS_PARTITION_INFO = 0x20;
const GENHD_FL_EXT_DEVT = 0x40;
const hiddenBefore = 0x400;
/** DISK_MAX_PARTS. */
const maxParts = 256;
/** How a kernel keeps partitions. */
export interface Partitions {
  /** The disk of a device of the class; undefined when another device of the class leads to it. */
  readonly diskOf: (kernel: Kernel, device: bigint) => bigint | undefined;
  /**
   * By their numbers, the whole disk among them.
   * @throws OuaError `GUEST_INCONSISTENT` for one that does not say that it is of this disk
   */
  readonly parts: (kernel: Kernel, disk: Disk) => Part[];
  /** What `/proc/partitions` leaves out, whatever its size (show_partition, block/genhd.c). */
  readonly unlisted: (kernel: Kernel, disk: Disk) => boolean;
}

/** `struct block_device`, in which all of it is since 5.11. */
const ofBlockDevices: Partitions = {
  diskOf: (kernel, device) => kernel.container('block_device', 'bd_device', device).pointer('bd_disk'),
  parts: (kernel, disk) =>
    addresses(kernel, disk).map((address) => {
      const part = kernel.view('block_device', address);
      if (part.pointer('bd_disk') !== disk.address) throw elsewhere(address);
      return {
        number: part.uint('bd_partno') & 0xff,
        device: part.uint('bd_dev'),
        sectors: part.u64('bd_nr_sectors'),
        stats: part.pointer('bd_stats'),
      };
    }),
  unlisted: (kernel, disk) =>
    (disk.uint('flags') & (kernel.enumerator('GENHD_FL_HIDDEN') ?? hiddenBefore)) !== 0,
};

/** `struct hd_struct` before: that of the whole disk is in its `struct gendisk`, and the parent of the others. */
const ofDiskStructs: Partitions = {
  diskOf(kernel, device) {
    const part = kernel.container('hd_struct', 'device', device);
    return part.uint('partno') === 0 ? part.address - BigInt(kernel.offset('gendisk', 'part0')) : undefined;
  },
  parts: (kernel, disk) =>
    addresses(kernel, disk).map((address) => {
      const part = kernel.view('hd_struct', address);
      const number = part.uint('partno');
      const whole = disk.at('part0');
      const belongs =
        number === 0
          ? address === whole
          : part.pointer('parent') === whole + BigInt(kernel.offset('hd_struct', 'device'));
      if (!belongs) throw elsewhere(address);
      return {
        number,
        device: part.uint('devt'),
        sectors: part.u64('nr_sects'),
        stats: part.pointer('dkstats'),
      };
    }),
  unlisted(_, disk) {
    const flags = disk.uint('flags');
    const partitionable = (flags & GENHD_FL_EXT_DEVT) !== 0 || disk.int('minors') > 0;
    return (
      (flags & GENHD_FL_SUPPRESS_PARTITION_INFO) !== 0 ||
      (!partitionable && (flags & GENHD_FL_REMOVABLE) !== 0)
    );
  },
};

export function partitionsOf(kernel: Kernel): Partitions {
  return kernel.has('hd_struct', 'nr_sects') ? ofDiskStructs : ofBlockDevices;
}

function elsewhere(address: bigint): OuaError {
  return inconsistent(`the partition at ${hex(address)} is of another disk`);
}

/** Of what describes a disk and its partitions, by their numbers. */
function addresses(kernel: Kernel, disk: Disk): bigint[] {
  if (disk.has('part_tbl')) {
    const entries = xarrayEntries(kernel, disk.at('part_tbl'), `partitions of ${disk.text('disk_name')}`);
    return Array.from(entries, ({ entry }) => entry);
  }
  const table = kernel.view('disk_part_tbl', disk.pointer('part_table'));
  const length = table.uint('len');
  if (length > maxParts)
    throw inconsistent(`the disk at ${hex(disk.address)} has room for ${length} partitions`);
  const slots = kernel.read(table.at('part'), length * 8);
  return Array.from({ length }, (_, index) => readWord(slots, index * 8)).filter((entry) => entry !== 0n);
}
