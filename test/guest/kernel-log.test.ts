import { readKernelLog } from '../../src/guest/kernel-log.js';
import type { Member } from '../../src/kernel/layout.js';
import { Arena, syntheticKernel } from '../kernel/synthetic-kernel.js';
import { codeOf } from '../error-code.js';

/** A small log: 4 records, 64 bytes of text. */
const countBits = 2;
const sizeBits = 6;
const [descriptorSize, infoSize] = [24, 32];
const COMMITTED = 1n << 62n;
const FINALIZED = 2n << 62n;
const REUSABLE = 3n << 62n;

const members = (rows: Record<string, Member>) => rows;
const structs = {
  printk_ringbuffer: { size: 64, members: members({ desc_ring: [0, 40], text_data_ring: [40, 16] }) },
  prb_desc_ring: {
    size: 40,
    members: members({
      ...{ count_bits: [0, 4], descs: [8, 8], infos: [16, 8] },
      ...{ head_id: [24, 8], tail_id: [32, 8] },
    }),
  },
  prb_data_ring: { size: 16, members: members({ size_bits: [0, 4], data: [8, 8] }) },
  prb_desc: { size: descriptorSize, members: members({ state_var: [0, 8], begin: [8, 8], next: [16, 8] }) },
  printk_info: {
    size: infoSize,
    members: members({
      ...{ seq: [0, 8], ts_nsec: [8, 8], text_len: [16, 2], facility: [18, 1] },
      level: [19, 1, 5, 3],
    }),
  },
};

interface Entry {
  readonly id: bigint;
  readonly state: bigint;
  readonly begin: bigint;
  readonly next: bigint;
  readonly text: string;
  /** Where in the ring of texts its bytes are put; nowhere when left out. */
  readonly at?: number;
}

function logOf(tail: bigint, head: bigint, entries: readonly Entry[]) {
  const arena = new Arena(1 << 16);
  const ring = arena.allocate(64);
  const descriptors = arena.allocate(descriptorSize << countBits);
  const infos = arena.allocate(infoSize << countBits);
  const texts = arena.allocate(1 << sizeBits);
  const variable = arena.allocate(8);
  arena.u64(variable, ring);
  arena.u32(ring, countBits);
  arena.u64(ring + 8n, descriptors);
  arena.u64(ring + 16n, infos);
  arena.u64(ring + 24n, head);
  arena.u64(ring + 32n, tail);
  arena.u32(ring + 40n, sizeBits);
  arena.u64(ring + 48n, texts);
  for (const { id, state, begin, next, text, at } of entries) {
    const index = id % BigInt(1 << countBits);
    const descriptor = descriptors + index * BigInt(descriptorSize);
    arena.u64(descriptor, state | id);
    arena.u64(descriptor + 8n, begin);
    arena.u64(descriptor + 16n, next);
    const info = infos + index * BigInt(infoSize);
    arena.u64(info, id);
    arena.u64(info + 8n, id * 1_000_000_000n);
    arena.bytes.writeUInt16LE(text.length, Number(info) + 16);
    arena.u8(info + 18n, 3);
    arena.u8(info + 19n, 0b110_00000);
    if (at === undefined) continue;
    arena.u64(texts + BigInt(at), id);
    arena.bytes.write(text, Number(texts) + at + 8, 'latin1');
  }
  return readKernelLog(syntheticKernel(arena.memory(), { structs, symbols: { prb: variable } }));
}

const texts = (log: ReturnType<typeof logOf>) => log.map(({ text }) => text);

test('records are told oldest first, with time, facility and level', () => {
  const log = logOf(5n, 6n, [
    { id: 5n, state: FINALIZED, begin: 0n, next: 16n, text: 'one', at: 0 },
    { id: 6n, state: COMMITTED, begin: 16n, next: 40n, text: 'and two', at: 16 },
  ]);
  expect(log).toEqual([
    { sequence: 5n, time: 5_000_000_000n, facility: 3, level: 6, text: 'one' },
    { sequence: 6n, time: 6_000_000_000n, facility: 3, level: 6, text: 'and two' },
  ]);
});

test('a text that does not fit before the end of the ring lies at its start', () => {
  const wrapped = { id: 8n, state: FINALIZED, begin: 48n, next: 64n + 24n, text: 'at the start', at: 0 };
  expect(texts(logOf(8n, 8n, [wrapped]))).toEqual(['at the start']);
  const filling = { id: 8n, state: FINALIZED, begin: 48n, next: 64n, text: 'the end', at: 48 };
  expect(texts(logOf(8n, 8n, [filling]))).toEqual(['the end']);
});

test('what is being written, was overwritten or has no text', () => {
  expect(
    texts(
      logOf(4n, 7n, [
        { id: 4n, state: REUSABLE, begin: 0n, next: 16n, text: 'old', at: 0 },
        { id: 5n, state: 0n, begin: 0n, next: 16n, text: 'new' },
        // The bytes at its place belong to another record.
        { id: 6n, state: FINALIZED, begin: 16n, next: 32n, text: 'gone' },
        { id: 7n, state: FINALIZED, begin: 1n, next: 1n, text: '' },
      ]),
    ),
  ).toEqual(['']);
});

test('a text that is longer than its place is left out, more records than room are refused', () => {
  const long = { id: 4n, state: FINALIZED, begin: 0n, next: 16n, text: 'longer than that', at: 0 };
  expect(texts(logOf(4n, 4n, [long]))).toEqual([]);
  expect(codeOf(() => logOf(4n, 9n, []))).toBe('GUEST_INCONSISTENT');
  expect(codeOf(() => logOf(9n, 4n, []))).toBe('GUEST_INCONSISTENT');
});
