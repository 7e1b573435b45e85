import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Board } from '../../src/memory/boards.js';
import { boardByFirmwareMap } from '../../src/memory/firmware-map.js';
import { openMemory } from '../../src/memory/open.js';
import { SampleMemory } from './samples.js';
import { le32, le64 } from './writers/output.js';

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ouassister-raw-'));
  path = join(folder, 'ram');
});

afterEach(() => rmSync(folder, { recursive: true }));

const gib = 2 ** 30;
const fourGib = 4 * gib;

/** A firmware's memory map: start, end and type of each range. */
const map = (...rows: readonly (readonly [start: number, end: number, type: number])[]) =>
  Buffer.concat(rows.map(([start, end, type]) => Buffer.concat([le64(start, end - start), le32(type)])));

/** What SeaBIOS reports for RAM below 4 GiB up to `low`, and above up to `high`. */
const seaBios = (low: number, high: number) =>
  map(
    [0, 0x9fc00, 1],
    [0x9fc00, 0xa0000, 2],
    [0xf0000, 0x100000, 2],
    [0x100000, low - 0x20000, 1],
    [low - 0x20000, low, 2],
    [0xfffc0000, fourGib, 2],
    ...(high > fourGib ? ([[fourGib, high, 1]] as const) : []),
  );

/** Which board the maps in a memory of a length speak for. */
function board(length: number, maps: readonly Buffer[], candidates?: readonly Board[]): Board {
  const bytes = Buffer.alloc(64 * 1024);
  maps.forEach((one, index) => one.copy(bytes, 4096 * index + 4093));
  return boardByFirmwareMap(new SampleMemory([{ start: 0x1000, bytes }]), length, candidates);
}

/** Opens a sparse file of a length, with some bytes at an offset. */
async function open(length: number, format: string, offset = 0, bytes = Buffer.alloc(0)) {
  const file = openSync(path, 'w');
  ftruncateSync(file, length);
  writeSync(file, bytes, 0, bytes.length, offset);
  closeSync(file);
  return openMemory(path, { format });
}

async function ranges(length: number, format: string) {
  using memory = await open(length, format);
  return memory.ranges;
}

const onePiece = (length: number) => [{ start: 0, end: length }];
const split = (low: number, length: number) => [
  { start: 0, end: low },
  { start: fourGib, end: fourGib + length - low },
];

test('below 2.75 GiB every board has its RAM in one piece', async () => {
  expect(await ranges(2.75 * gib - 4096, 'raw')).toEqual(onePiece(2.75 * gib - 4096));
});

test('the firmware’s memory map says which board it is', () => {
  expect(board(3 * gib, [seaBios(3 * gib, 0)])).toBe('i440fx');
  expect(board(3 * gib, [seaBios(2 * gib, fourGib + gib)])).toBe('q35');
  expect(board(5 * gib, [seaBios(3 * gib, fourGib + 2 * gib)])).toBe('i440fx');
  expect(board(5 * gib, [seaBios(2 * gib, fourGib + 3 * gib), seaBios(2 * gib, fourGib + 3 * gib)])).toBe(
    'q35',
  );
  expect(board(5 * gib, [seaBios(3 * gib, fourGib + 2 * gib)], ['vmware'])).toBe('vmware');
});

test.each([
  ['no map', 3 * gib, []],
  ['a map of a machine with less memory', 5 * gib, [seaBios(2 * gib, fourGib + gib)]],
  ['maps of two boards', 3 * gib, [seaBios(3 * gib, 0), seaBios(2 * gib, fourGib + gib)]],
] as const)('with %s the board has to be named', (_what, length, maps) => {
  expect(() => board(length, maps)).toThrow(
    expect.objectContaining({
      code: 'MEMORY_FORMAT',
      hint: expect.stringContaining('raw:q35') as string,
    }) as Error,
  );
});

test('the boards have their holes where QEMU has them', async () => {
  for (const [length, i440fx, q35] of [
    [2.75 * gib, onePiece(2.75 * gib), split(2 * gib, 2.75 * gib)],
    [3 * gib, onePiece(3 * gib), split(2 * gib, 3 * gib)],
    [3.5 * gib, split(3 * gib, 3.5 * gib), split(2 * gib, 3.5 * gib)],
    [8 * gib, split(3 * gib, 8 * gib), split(2 * gib, 8 * gib)],
  ] as const) {
    expect(await ranges(length, 'raw:i440fx')).toEqual(i440fx);
    expect(await ranges(length, 'raw:q35')).toEqual(q35);
  }
  expect(await ranges(3 * gib, 'raw:flat')).toEqual(onePiece(3 * gib));
  expect(await ranges(3 * gib, 'raw:virt')).toEqual([{ start: gib, end: 4 * gib }]);
});

test('the bytes above the hole are those behind the lower part', async () => {
  using memory = await open(3 * gib, 'raw:q35', 2 * gib, Buffer.from('just above the hole'));
  expect(memory.read(fourGib, 19).toString()).toBe('just above the hole');
});
