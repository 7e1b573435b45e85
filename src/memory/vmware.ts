import { existsSync } from 'node:fs';
import { boards, type Board } from './boards.js';
import { ExtentMemory, type Extent } from './extent-memory.js';
import { boardByFirmwareMap } from './firmware-map.js';
import { isVmwareState, vmwareMemoryFile } from './marks.js';
import { truncated, unreadable } from './refusals.js';
import { ImageFile } from './source.js';
import { readMemoryTags, type Tag } from './vmware-tags.js';

const pageSize = 4096;
const maxRegions = 256;
const addressLimit = 2 ** 52;
const oneRegionLimit = 3 * 2 ** 30;
const stateFiles = ['.vmss', '.vmsn'];

/**
 * A suspended VM or a snapshot of VMware: `.vmem` is the memory, and `.vmss` or `.vmsn` beside it says where its regions
 * belong; old versions have the memory in that file, too. Either file may be given. A `.vmem` alone of more
 * than 3 GiB is placed by the firmware's memory map in it. Takes charge of the file.
 *
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`, `FILE_MISSING` when there is no `.vmem` to a state file
 */
export function openVmware(file: ImageFile): ExtentMemory {
  if (!isVmwareState(file.read(0, Math.min(4, file.size)))) return openBeside(file);
  const tags = readMemoryTags(file);
  const inside = [...tags].find(([name]) => /^Memory(\[|$)/.test(name))?.[1].data;
  if (inside && inside.length > 0) return memoryOf(file, regions(file, tags, inside.length, inside.offset));
  const memory = new ImageFile(withEnding(file.path, vmwareMemoryFile));
  try {
    const opened = memoryOf(memory, regions(file, tags, memory.size, 0));
    file[Symbol.dispose]();
    return opened;
  } catch (error) {
    memory[Symbol.dispose]();
    throw error;
  }
}

/** The memory file: by the state file beside it when there is one. */
function openBeside(file: ImageFile): ExtentMemory {
  if (file.size === 0 || file.size % pageSize !== 0)
    throw unreadable(file.path, `a .vmem is whole pages, and it has ${file.size} bytes`);
  const state = stateFiles.map((ending) => withEnding(file.path, ending)).find((path) => existsSync(path));
  if (state === undefined) return memoryOf(file, boards[boardOfAlone(file)](file.size));
  using described = new ImageFile(state);
  if (!isVmwareState(described.read(0, Math.min(4, described.size))))
    throw unreadable(state, 'it is no state file of VMware');
  return memoryOf(file, regions(described, readMemoryTags(described), file.size, 0));
}

function boardOfAlone(file: ImageFile): Board {
  if (file.size <= oneRegionLimit) return 'flat';
  return boardByFirmwareMap(memoryOf(file, boards.flat(file.size)), file.size, ['vmware']);
}

/** Where the memory's regions are, by the tags: pages of the machine (PPN) and of the memory (PageNum). */
function regions(state: ImageFile, tags: ReadonlyMap<string, Tag>, size: number, start: number): Extent[] {
  const count = tags.get('regionsCount')?.value ?? 0;
  if (count > maxRegions) throw unreadable(state.path, `it claims ${count} regions`);
  if (count === 0) return [{ address: 0, offset: start, length: size }];
  return Array.from({ length: count }, (_, index) => {
    const [address, page, length] = ['regionPPN', 'regionPageNum', 'regionSize'].map((name) => {
      const tag = tags.get(`${name}[${index}]`);
      if (!tag || tag.value * pageSize > addressLimit)
        throw unreadable(state.path, `its region ${index} has no ${name}`);
      return tag.value * pageSize;
    }) as [number, number, number];
    if (length === 0) throw unreadable(state.path, `its region ${index} is empty`);
    if (page + length > size) throw truncated(state.path, page + length, size);
    return { address, length, offset: start + page };
  });
}

function memoryOf(file: ImageFile, extents: readonly Extent[]): ExtentMemory {
  return new ExtentMemory(file, { format: 'vmware', architecture: undefined, extents });
}

function withEnding(path: string, ending: string): string {
  return path.replace(/\.[^./]*$/, '') + ending;
}
