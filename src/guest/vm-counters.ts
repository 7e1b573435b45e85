import { OuaError } from '../base/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import { cpusIn, perCpuAddress } from '../kernel/percpu.js';
import { memoryZones } from './zones.js';

/** The lines of `/proc/vmstat`, in its order. */
export type VmCounters = readonly (readonly [name: string, value: bigint])[];

const maxItems = 2048;
const maxName = 64;
const pageSize = 4096n;
/** HPAGE_PMD_NR: the counters of huge pages are kept in pages and shown in huge pages. */
const pagesInHugePage = 512n;
const hugePageCounters = [
  'NR_ANON_THPS',
  'NR_FILE_THPS',
  'NR_SHMEM_THPS',
  'NR_SHMEM_PMDMAPPED',
  'NR_FILE_PMDMAPPED',
];
/** Sectors, shown in KiB. */
const sectorEvents = ['PGPGIN', 'PGPGOUT'];

/** vmstat_start(), `mm/vmstat.c`: one array after the other, with one list of names for all. */
export function readVmCounters(kernel: Kernel): VmCounters {
  const values = [
    ...globals(kernel, 'vm_zone_stat', 'NR_VM_ZONE_STAT_ITEMS'),
    ...numaEvents(kernel),
    ...nodeCounters(kernel),
    ...writeback(kernel),
    ...events(kernel),
  ];
  const names = kernel.symbol('vmstat_text');
  return [
    ...values.map(
      (value, index) => [kernel.text(kernel.pointer(names + BigInt(index * 8)), maxName), value] as const,
    ),
    ['nr_unstable', 0n],
  ];
}

/** An array of atomics that CPUs add to: none is shown negative. */
function globals(kernel: Kernel, array: string, items: string): bigint[] {
  const bytes = kernel.read(kernel.symbol(array), itemCount(kernel, items) * 8);
  return Array.from({ length: bytes.length / 8 }, (_, index) => atLeastZero(bytes.readBigInt64LE(index * 8)));
}

function nodeCounters(kernel: Kernel): bigint[] {
  const huge = new Set(hugePageCounters.map((name) => kernel.enumerator(name)));
  return globals(kernel, 'vm_node_stat', 'NR_VM_NODE_STAT_ITEMS').map((value, index) =>
    huge.has(index) ? value / pagesInHugePage : value,
  );
}

/** With what the CPUs have not yet added: fold_vm_numa_events(). */
function numaEvents(kernel: Kernel): bigint[] {
  const count = kernel.enumerator('NR_VM_NUMA_EVENT_ITEMS');
  if (count === undefined) return [];
  const totals = globals(kernel, 'vm_numa_event', 'NR_VM_NUMA_EVENT_ITEMS');
  if (!kernel.has('zone', 'per_cpu_zonestats') || !kernel.has('per_cpu_zonestat', 'numa_event'))
    return totals;
  const offset = BigInt(kernel.offset('per_cpu_zonestat', 'numa_event'));
  for (const zone of memoryZones(kernel))
    for (const cpu of cpusIn(kernel, '__cpu_online_mask')) {
      const address = perCpuAddress(kernel, zone.pointer('per_cpu_zonestats'), cpu) + offset;
      const bytes = kernel.read(address, totals.length * 8);
      totals.forEach(
        (_, index) => (totals[index] = (totals[index] ?? 0n) + bytes.readBigUInt64LE(index * 8)),
      );
    }
  return totals;
}

/** The limits of dirty pages, and since 6.9 what describes pages. */
function writeback(kernel: Kernel): bigint[] {
  const [limit, background] = dirtyLimits(kernel);
  const counted = ['nr_memmap_pages', 'nr_memmap_boot_pages'].map((symbol) => {
    const variable = kernel.find(symbol);
    return variable === undefined ? 0n : kernel.pointer(variable);
  });
  const more = (kernel.enumerator('NR_VM_STAT_ITEMS') ?? 2) - 2;
  return [limit, background, ...counted.slice(0, more)];
}

/** global_dirty_limits(), `mm/page-writeback.c`, for a reader that is no real-time task. */
function dirtyLimits(kernel: Kernel): [limit: bigint, background: bigint] {
  const zone = globals(kernel, 'vm_zone_stat', 'NR_VM_ZONE_STAT_ITEMS');
  const node = globals(kernel, 'vm_node_stat', 'NR_VM_NODE_STAT_ITEMS');
  const count = (values: bigint[], name: string) => values[kernel.enumerator(name) ?? -1] ?? 0n;
  const free = count(zone, 'NR_FREE_PAGES');
  const reserve = kernel.pointer(kernel.symbol('totalreserve_pages'));
  const dirtyable =
    atLeastZero(free - reserve) + count(node, 'NR_INACTIVE_FILE') + count(node, 'NR_ACTIVE_FILE') + 1n;
  const part = (bytes: string, ratio: string) => {
    const absolute = kernel.pointer(kernel.symbol(bytes));
    if (absolute !== 0n) return (absolute + pageSize - 1n) / pageSize;
    return (((BigInt(kernel.u32(kernel.symbol(ratio))) * pageSize) / 100n) * dirtyable) / pageSize;
  };
  const limit = part('vm_dirty_bytes', 'vm_dirty_ratio');
  const background = part('dirty_background_bytes', 'dirty_background_ratio');
  return [limit, background >= limit ? limit / 2n : background];
}

function events(kernel: Kernel): bigint[] {
  const count = itemCount(kernel, 'NR_VM_EVENT_ITEMS');
  const sectors = new Set(sectorEvents.map((name) => kernel.enumerator(name)));
  const totals = new Array<bigint>(count).fill(0n);
  for (const cpu of cpusIn(kernel, '__cpu_online_mask')) {
    const bytes = kernel.read(perCpuAddress(kernel, kernel.symbol('vm_event_states'), cpu), count * 8);
    totals.forEach((_, index) => (totals[index] = (totals[index] ?? 0n) + bytes.readBigUInt64LE(index * 8)));
  }
  return totals.map((value, index) => (sectors.has(index) ? value / 2n : value));
}

function itemCount(kernel: Kernel, name: string): number {
  const count = kernel.enumerator(name);
  if (count === undefined)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `the kernel ${kernel.release} has no ${name}`,
      'an old profile must be built again: ouassister profile build',
    );
  if (count < 0 || count > maxItems) throw inconsistent(`the kernel claims ${count} counters (${name})`);
  return count;
}

function atLeastZero(value: bigint): bigint {
  return value > 0n ? value : 0n;
}
