import { resolve } from 'node:path';
import { z } from 'zod';
import { runTool } from '../base/command.js';
import { OuaError } from '../base/errors.js';
import { ExtentMemory, type Extent } from './extent-memory.js';
import { firecrackerMagics } from './marks.js';
import { unreadable } from './refusals.js';
import { ImageFile } from './source.js';

const maxState = 64 * 1024 * 1024;
const maxRegions = 16;
const maxMapText = 256 * 1024 * 1024;
const pageSize = 4096;
const addressLimit = 2 ** 46;

/** @throws OuaError `MEMORY_FORMAT`: a state file alone has no memory in it. */
export function refuseState(file: ImageFile): never {
  throw unreadable(
    file.path,
    'it is the state file of a Firecracker snapshot',
    `give the snapshot's memory file, with --memory-format firecracker:${file.path}`,
  );
}

/**
 * The memory file of a Firecracker snapshot: the guest's regions one behind the other, without a header. Where they
 * belong is in the snapshot's state file. With `diff` what was never written in the file is a hole: in a diff
 * snapshot it means that the page did not change since the one before. Takes charge of the file.
 *
 * @param state path of the state file
 * @throws OuaError `USAGE` without it, `MEMORY_FORMAT` when no layout or more than one in it fits the memory file
 */
export async function openFirecracker(
  file: ImageFile,
  state: string | undefined,
  diff: boolean,
): Promise<ExtentMemory> {
  if (state === undefined || state === '')
    throw new OuaError(
      'USAGE',
      'where the regions of a Firecracker snapshot belong is in its state file',
      'name it: --memory-format firecracker:STATE-FILE',
    );
  using described = new ImageFile(state);
  const bytes = described.read(0, Math.min(described.size, maxState));
  const architecture = bytes.length >= 8 ? firecrackerMagics.get(bytes.readBigUInt64LE(0) >> 16n) : undefined;
  if (architecture === undefined) throw unreadable(state, 'it is no state file of Firecracker');
  const regions = findRegions(bytes, file.size, state);
  return new ExtentMemory(file, {
    format: diff ? 'firecracker-diff' : 'firecracker',
    architecture,
    extents: diff ? await writtenParts(file.path, regions) : regions,
  });
}

/**
 * The guest's regions in a serialised state: a count (64 bits), and for each its base and size, up to release 1.10 its
 * offset in the memory file, too, and in the newest its type and slots. The rest of the state changes from release
 * to release, so the list is looked for everywhere, and recognised by its sizes adding up to the memory file's.
 */
function findRegions(state: Buffer, memorySize: number, path: string): Extent[] {
  const found = new Map<string, Extent[]>();
  for (let at = 0; at + 24 <= state.length; at++) {
    const count = state.readUInt32LE(at);
    if (count === 0 || count > maxRegions || state.readUInt32LE(at + 4) !== 0) continue;
    for (const layout of layouts) {
      const regions = regionsAt(state, at + 8, count, layout);
      if (regions && sumOf(regions) === memorySize) found.set(JSON.stringify(regions), regions);
    }
  }
  const [regions] = found.values();
  if (regions && found.size === 1) return regions;
  throw unreadable(
    path,
    found.size === 0
      ? `it describes no memory of ${memorySize} bytes`
      : 'more than one thing in it may describe the memory',
    'give the state file and the memory file of one snapshot',
  );
}

/** Where the next region starts, behind the base and the size; undefined when this is no region. */
type Layout = (state: Buffer, at: number, offset: number) => number | undefined;

const layouts: readonly Layout[] = [
  (_state, at) => at,
  (state, at, offset) =>
    at + 8 <= state.length && state.readBigUInt64LE(at) === BigInt(offset) ? at + 8 : undefined,
  (state, at) => {
    if (at + 12 > state.length || state.readUInt32LE(at) !== 0) return undefined;
    const slots = state.readBigUInt64LE(at + 4);
    return slots <= BigInt(state.length) ? at + 12 + Number(slots) : undefined;
  },
];

function regionsAt(state: Buffer, start: number, count: number, layout: Layout): Extent[] | undefined {
  const regions: Extent[] = [];
  let offset = 0;
  let end = 0;
  for (let at: number | undefined = start; regions.length < count;) {
    if (at === undefined || at + 16 > state.length) return undefined;
    const address = Number(state.readBigUInt64LE(at));
    const length = Number(state.readBigUInt64LE(at + 8));
    if (address < end || address + length > addressLimit || length === 0) return undefined;
    if (address % pageSize !== 0 || length % pageSize !== 0) return undefined;
    regions.push({ address, length, offset });
    at = layout(state, at + 16, offset);
    if (at === undefined) return undefined;
    offset += length;
    end = address + length;
  }
  return regions;
}

function sumOf(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}

const fileMap = z.array(z.object({ start: z.number(), length: z.number(), data: z.boolean() }));

/** The parts of the regions that the file system says were written. */
async function writtenParts(path: string, regions: readonly Extent[]): Promise<Extent[]> {
  const text = await runTool('qemu-img', ['map', '--output=json', '-f', 'raw', resolve(path)], {
    maxBuffer: maxMapText,
  });
  const parts: Extent[] = [];
  for (const { start, length, data } of fileMap.parse(JSON.parse(text))) {
    if (!data) continue;
    for (const region of regions) {
      const from = Math.max(start, region.offset);
      const to = Math.min(start + length, region.offset + region.length);
      if (from < to)
        parts.push({ address: region.address + from - region.offset, length: to - from, offset: from });
    }
  }
  return parts;
}
