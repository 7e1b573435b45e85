import { statSync } from 'node:fs';
import { isAbsolute } from 'node:path';
import { z } from 'zod';
import { OuaError } from '../base/errors.js';
import { parseFlatViews, type RamRange } from '../qemu/flat-view.js';
import { listenerOf } from '../qemu/process.js';
import { QmpClient } from '../qemu/qmp.js';
import { ExtentMemory, type Extent } from './extent-memory.js';
import type { PhysicalMemory } from './memory.js';
import { PausedMemory } from './paused-memory.js';
import { unreadable } from './refusals.js';
import { ImageFile } from './source.js';

/** States in which the memory is about to change although no CPU runs. */
const unsteady = ['inmigrate', 'restore-vm', 'colo'];
const maxRanges = 4096;
/** More than that, in one piece, is not a device's. */
const deviceRam = 64 * 2 ** 20;
/** Addresses whose bytes are compared with what QEMU's monitor says. */
const samples = 4;
const sampleBytes = 16;
/** Above any address of a process: what is not mapped there fails when it is read. */
const processSize = 2 ** 47;

/**
 * The memory of a VM that is paused, through its QMP socket: from the file of its `memory-backend-file`
 * when that is shared, else from QEMU's own memory, which takes the right to trace it. The connection
 * is kept until the memory is disposed of, so that nobody resumes the VM through it meanwhile; when it is resumed by
 * another way, reads fail with `VM_NOT_PAUSED` from the moment that we hear of it.
 *
 * @throws OuaError `VM_NOT_PAUSED`, `VM_UNREACHABLE`, `VM_REFUSED`, `HOST_FAILED` when QEMU's memory is out of reach
 */
export async function openLiveQemu(socket: string): Promise<PhysicalMemory> {
  const qmp = await QmpClient.connect(socket);
  let memory: ExtentMemory | undefined;
  try {
    await requirePaused(qmp, socket);
    const text = await qmp.execute('human-monitor-command', { 'command-line': 'info mtree -f' });
    const ranges = parseFlatViews(text);
    if (ranges.length === 0 || ranges.length > maxRanges)
      throw unreadable(socket, `QEMU's memory map has ${ranges.length} ranges of RAM`);
    memory = (await fromFile(qmp, ranges)) ?? (await fromProcess(qmp, socket, ranges));
    await compare(qmp, memory, socket);
    const paused = new PausedMemory(memory, qmp);
    // Only now: from here on we are told when it goes on.
    await requirePaused(qmp, socket);
    return paused;
  } catch (error) {
    memory?.[Symbol.dispose]();
    qmp[Symbol.dispose]();
    throw error;
  }
}

async function requirePaused(qmp: QmpClient, socket: string): Promise<void> {
  const { status, running } = await qmp.execute('query-status');
  if (!running && !unsteady.includes(status)) return;
  throw new OuaError(
    'VM_NOT_PAUSED',
    `the VM at ${socket} is not paused (${status})`,
    'pause it first: QMP stop',
  );
}

/** From a shared file, when all RAM but what devices have is in one; undefined without it. */
async function fromFile(qmp: QmpClient, ranges: readonly RamRange[]): Promise<ExtentMemory | undefined> {
  const largest = ranges.reduce((a, b) => (b.length > a.length ? b : a));
  const backend = (await sharedFiles(qmp)).find(({ regions }) => regions.includes(largest.region));
  if (!backend) return undefined;
  const elsewhere = ranges.filter(({ region }) => !backend.regions.includes(region));
  if (elsewhere.some(({ length }) => length > deviceRam)) return undefined;
  const extents = ranges
    .filter(({ region }) => backend.regions.includes(region))
    .map(({ address, length, offset }) => ({ address, length, offset: backend.offset + offset }));
  return new ExtentMemory(new ImageFile(backend.path), image(extents));
}

interface SharedFile {
  /** Names that its memory region may have. */
  readonly regions: readonly string[];
  readonly path: string;
  /** Where in the file the region starts. */
  readonly offset: number;
}

async function sharedFiles(qmp: QmpClient): Promise<SharedFile[]> {
  const files: SharedFile[] = [];
  for (const { name, type } of await qmp.execute('qom-list', { path: '/objects' })) {
    if (type !== 'child<memory-backend-file>') continue;
    const path = `/objects/${name}`;
    const properties = new Set((await qmp.execute('qom-list', { path })).map((one) => one.name));
    const get = (property: string) => qmp.execute('qom-get', { path, property });
    const file = z.string().parse(await get('mem-path'));
    // In a folder (hugetlbfs) it has no name, and a relative path is from a folder that only QEMU knows.
    if ((await get('share')) !== true || !isAbsolute(file) || !isFile(file)) continue;
    files.push({
      regions: [name, path],
      path: file,
      offset: properties.has('offset') ? z.number().parse(await get('offset')) : 0,
    });
  }
  return files;
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

async function fromProcess(
  qmp: QmpClient,
  socket: string,
  ranges: readonly RamRange[],
): Promise<ExtentMemory> {
  const pid = listenerOf(socket);
  if (pid === undefined)
    throw new OuaError(
      'HOST_FAILED',
      `the QEMU process that listens at ${socket} was not found`,
      'run it as the user that QEMU runs as, or as root, on the same host and not in a container',
    );
  const extents: Extent[] = [];
  for (const { address, length } of ranges) {
    const offset = await hostAddress(qmp, address);
    if ((await hostAddress(qmp, address + length - 1)) !== offset + length - 1)
      throw unreadable(socket, `QEMU's RAM at 0x${address.toString(16)} is not in one piece`);
    extents.push({ address, length, offset });
  }
  return new ExtentMemory(new ImageFile(`/proc/${pid}/mem`, undefined, processSize), image(extents));
}

async function hostAddress(qmp: QmpClient, address: number): Promise<number> {
  const command = `gpa2hva 0x${address.toString(16)}`;
  const words = await qmp.execute('human-monitor-command', { 'command-line': command });
  const [, found] = / is 0x([0-9a-f]+)\s*$/.exec(words) ?? [];
  if (found !== undefined) return Number.parseInt(found, 16);
  throw new OuaError('VM_REFUSED', `QEMU says to ${command}: ${words.trim()}`, "see QEMU's log of this VM");
}

/** That the bytes are those of this VM, and of no other process or file of the same name. */
async function compare(qmp: QmpClient, memory: ExtentMemory, socket: string): Promise<void> {
  const [range] = [...memory.ranges].sort((a, b) => b.end - b.start - (a.end - a.start));
  if (!range) throw unreadable(socket, 'QEMU has no RAM');
  const step = Math.floor((range.end - range.start) / samples / 4096) * 4096;
  for (let sample = 0; sample < samples; sample++) {
    const address = range.start + sample * step;
    const command = `xp /${sampleBytes}xb 0x${address.toString(16)}`;
    const words = await qmp.execute('human-monitor-command', { 'command-line': command });
    const shown = [...words.matchAll(/ 0x([0-9a-f]{2})\b/g)].map(([, byte]) => byte).join('');
    if (shown !== memory.read(address, sampleBytes).toString('hex'))
      throw new OuaError(
        'HOST_FAILED',
        `what was found to be the memory of the VM at ${socket} is another one's`,
        'save the memory with QMP dump-guest-memory and give the file',
      );
  }
}

function image(extents: readonly Extent[]) {
  return { format: 'qmp', architecture: undefined, extents };
}
