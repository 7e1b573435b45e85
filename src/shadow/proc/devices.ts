import type { BlockDevice, RequestCounts } from '../../guest/block-devices.js';
import type { Guest } from '../../guest/guest.js';
import type { SwapArea } from '../../guest/swaps.js';
import { lines, octalEscape } from './text.js';

type Numbered = readonly (readonly [number: number, name: string])[];
const numbers = (rows: Numbered) => rows.map(([number, name]) => `${String(number).padStart(3)} ${name}`);

/** `/proc/devices` (`devinfo_show`, fs/proc/devices.c). */
export function renderDevices(guest: Guest): string {
  const { character, block } = guest.deviceNumbers();
  return lines(['Character devices:', ...numbers(character), '', 'Block devices:', ...numbers(block)]);
}

/** `/proc/misc` (`misc_seq_show`, drivers/char/misc.c). */
export function renderMisc(guest: Guest): string {
  return lines(numbers(guest.deviceNumbers().misc));
}

/** `/proc/partitions` (`show_partition`, block/genhd.c). */
export function renderPartitions(guest: Guest): string {
  const shown = guest.blockDevices().filter(({ listed, sectors }) => listed && sectors > 0n);
  return lines(['major minor  #blocks  name', '', ...shown.map(partitionLine)]);
}

function partitionLine({ device, sectors, name }: BlockDevice): string {
  const [major, minor] = [String(device.major).padStart(4), String(device.minor).padStart(7)];
  return `${major}  ${minor} ${String(sectors / 2n).padStart(10)} ${name}`;
}

/** `/proc/diskstats` (`diskstats_show`, block/genhd.c). Requests in flight of multi-queue devices are not counted. */
export function renderDiskStats(guest: Guest): string {
  const shown = guest.blockDevices().filter(({ partition, sectors }) => partition === 0 || sectors > 0n);
  return lines(
    shown.map(({ device, name, counts, inFlight, ioMilliseconds, weightedMilliseconds }) =>
      [
        String(device.major).padStart(4),
        String(device.minor).padStart(7),
        name,
        ...all(counts.read),
        ...all(counts.write),
        inFlight ?? 0n,
        u32(ioMilliseconds),
        u32(weightedMilliseconds),
        ...all(counts.discard),
        counts.flush.requests,
        u32(counts.flush.milliseconds),
      ].join(' '),
    ),
  );
}

const u32 = (value: bigint) => BigInt.asUintN(32, value);
const all = (counts: RequestCounts) => [
  counts.requests,
  counts.merges,
  counts.sectors,
  u32(counts.milliseconds),
];

/** `/proc/swaps` (`swap_show`, mm/swapfile.c). */
export function renderSwaps(guest: Guest): string {
  return lines(['Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority', ...guest.swaps().map(swapLine)]);
}

function swapLine({ path, type, size, used, priority }: SwapArea): string {
  const name = octalEscape(path, ' \t\n');
  const gap = ' '.repeat(Math.max(1, 40 - Buffer.byteLength(name)));
  const wide = (kib: bigint) => `${kib}\t${kib < 10_000_000n ? '\t' : ''}`;
  return `${name}${gap}${type === 'file' ? 'file\t' : type}\t${wide(size)}${wide(used)}${priority}`;
}
