import type { Kernel } from '../kernel/kernel.js';
import { inconsistent, listEntries, maxEntries } from '../kernel/lists.js';

/** Who has which device numbers. */
export interface DeviceNumbers {
  /** By major number, as `/proc/devices` lists them. */
  readonly character: readonly (readonly [major: number, name: string])[];
  readonly block: readonly (readonly [major: number, name: string])[];
  /** Minor numbers of the major 10, as `/proc/misc` lists them. */
  readonly misc: readonly (readonly [minor: number, name: string])[];
}

/** CHRDEV_MAJOR_HASH_SIZE and BLKDEV_MAJOR_HASH_SIZE. */
const buckets = 255;
/** CHRDEV_MAJOR_MAX and BLKDEV_MAJOR_MAX. */
const majors = 512;
const maxName = 64;

export function readDeviceNumbers(kernel: Kernel): DeviceNumbers {
  return {
    character: byMajor(kernel, 'chrdevs', 'char_device_struct'),
    block: byMajor(kernel, 'major_names', 'blk_major_name'),
    misc: [...listEntries(kernel, kernel.symbol('misc_list'), 'misc devices')].map((link) => {
      const device = kernel.container('miscdevice', 'list', link);
      const name = device.pointer('name');
      return [device.int('minor'), name === 0n ? '' : kernel.text(name, maxName)] as const;
    }),
  };
}

/** Majors above the highest that `/proc/devices` asks for are not in it. */
function byMajor(
  kernel: Kernel,
  table: 'chrdevs' | 'major_names',
  struct: 'char_device_struct' | 'blk_major_name',
): [number, string][] {
  const heads = kernel.read(kernel.symbol(table), buckets * 8);
  const found: [number, string][] = [];
  for (let bucket = 0; bucket < buckets; bucket++)
    for (let at = heads.readBigUInt64LE(bucket * 8); at !== 0n;) {
      if (found.length >= maxEntries) throw inconsistent(`the list of ${table} does not end`);
      const device = kernel.view(struct, at);
      const major = device.uint('major');
      if (major % buckets !== bucket)
        throw inconsistent(`the major number ${major} is in the wrong list of ${table}`);
      found.push([major, device.text('name')]);
      at = device.pointer('next');
    }
  // Sorting is stable: those of one major stay in the list's order.
  return found.filter(([major]) => major < majors).sort(([a], [b]) => a - b);
}
