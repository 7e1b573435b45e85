import { boards, type Board } from './boards.js';
import type { PhysicalMemory } from './memory.js';
import { unreadable } from './refusals.js';
import { scan } from './scan.js';

const entrySize = 20;
const maxEntries = 128;
const usable = 1;
const largestType = 20;
const mib = 2 ** 20;
const fourGib = 2 ** 32;
const addressLimit = 2 ** 46;
/** What firmware may take from the top of the RAM below 4 GiB for itself. */
const firmwareShare = 256 * mib;
/** Places looked at: real memory has some thousand. More are a guest that wants us to be slow. */
const maxPlaces = 1 << 22;
/** The entry of the RAM above 1 MiB: every firmware of a PC reports one that starts there. */
const start = Buffer.from([0, 0, 0x10, 0, 0, 0, 0, 0]);

/**
 * Which board's holes the firmware's memory map (e820, which Linux keeps: `struct boot_e820_entry`, 20 bytes: start,
 * size, type) speaks for. All maps in memory must agree.
 *
 * @param memory the RAM as one piece from address 0 on
 * @param candidates boards that it may be
 * @throws OuaError `MEMORY_FORMAT` when nothing or more than one board fits
 */
export function boardByFirmwareMap(
  memory: PhysicalMemory,
  length: number,
  candidates: readonly Board[] = ['i440fx', 'q35'],
): Board {
  const found = new Set<Board>();
  let places = 0;
  for (const place of scan(memory, start)) {
    if (++places > maxPlaces) throw undecided(memory.path, 'it is full of what looks like memory maps');
    const map = usableTops(memory, place, length);
    if (!map) continue;
    for (const board of candidates) if (fits(map, board, length)) found.add(board);
  }
  const [board] = found;
  if (board !== undefined && found.size === 1) return board;
  throw undecided(
    memory.path,
    found.size === 0 ? 'it holds no memory map of its machine' : 'it holds memory maps of two machines',
  );
}

interface UsableTops {
  /** Ends of the highest usable ranges below 4 GiB and above; 0 for none there. */
  readonly below: number;
  readonly above: number;
}

/** The map that has the entry at `place`, read upwards from there; undefined when that is no map's. */
function usableTops(memory: PhysicalMemory, place: number, length: number): UsableTops | undefined {
  const tops = { below: 0, above: 0 };
  let end = 0;
  for (let entry = 0, at = place; entry < maxEntries && at + entrySize <= length; entry++, at += entrySize) {
    const bytes = memory.read(at, entrySize);
    const from = Number(bytes.readBigUInt64LE(0));
    const size = Number(bytes.readBigUInt64LE(8));
    const type = bytes.readUInt32LE(16);
    if (type === 0 || type > largestType || size === 0 || from < end || from + size > addressLimit) break;
    if (entry === 0 && (type !== usable || size < mib)) return undefined;
    end = from + size;
    if (type === usable) tops[from < fourGib ? 'below' : 'above'] = end;
  }
  return end === 0 ? undefined : tops;
}

function fits({ below, above }: UsableTops, board: Board, length: number): boolean {
  const [low, high] = boards[board](length);
  if (!low || below > low.length || below <= low.length - firmwareShare) return false;
  return above === (high ? high.address + high.length : 0);
}

function undecided(path: string, why: string): Error {
  return unreadable(
    path,
    `where the machine has holes in its memory is not known, ${why}`,
    'name the machine: --memory-format raw:i440fx or raw:q35',
  );
}
