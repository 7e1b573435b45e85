import type { Guest, MemoryMap, Process } from '../../guest/guest.js';
import { lines } from './text.js';

/** Where names begin: seq_setwidth(m, 25 + sizeof(void *) * 6 - 1). */
const nameColumn = 73;

const hex = (value: bigint | number, width: number) => value.toString(16).padStart(width, '0');

/** `/proc/<pid>/maps` (`show_map_vma`, fs/proc/task_mmu.c); empty for what has no memory of its own. */
export function renderMaps(process: Process, guest: Guest): string | undefined {
  if (process.vsize === 0n) return '';
  const maps = guest.memoryMaps().get(process.pid);
  return maps && lines(maps.map(mapLine));
}

function mapLine({ start, end, access, offset, device, inode, name }: MemoryMap): string {
  const place = `${hex(device.major, 2)}:${hex(device.minor, 2)} ${inode} `;
  const line = `${hex(start, 8)}-${hex(end, 8)} ${access} ${hex(offset, 8)} ${place}`;
  // Of all characters seq_path() escapes the newline alone here.
  return name === undefined ? line : `${line.padEnd(nameColumn)}${name.replaceAll('\n', '\\012')}`;
}
