import type { PhysicalMemory } from '../memory/memory.js';

/** The tables of kallsyms, found and checked. All of them lie in the kernel's read-only data. */
export interface KallsymsTables {
  readonly count: number;
  /** Compressed names: a length, then indices into `tokens`; the first character of a name is its type letter. */
  readonly names: Uint8Array;
  readonly tokens: readonly string[];
  readonly offsets: Int32Array;
  /**
   * As in memory, that is, relocated by KASLR; 0 in a file whose relocations were never applied. Undefined where each
   * offset is counted from its own place (7.x): then addresses are known only as places in the region.
   */
  readonly relativeBase: bigint | undefined;
  /** Where in the region the offsets start. */
  readonly offsetsAt: number;
  /** Where in the region all of this but the base stands: what a look-up depends on. */
  readonly spans: readonly KallsymsSpan[];
  /** Offsets are negative below the base and others absolute (CONFIG_KALLSYMS_ABSOLUTE_PERCPU, gone in 6.15). */
  readonly absolutePercpu: boolean;
}

/** A piece of the region that was looked through, in bytes from its start. */
export interface KallsymsSpan {
  readonly start: number;
  readonly end: number;
}

/** Work for hostile memory: runs of digits looked at, and names stepped over. Real memory has a handful of runs. */
const maxRuns = 256;
const maxSteps = 32_000_000;
const minSymbols = 1000;
const maxSymbols = 4_000_000;
/** names, markers and seqs_of_names take 2–4 MB together on distributions' kernels. */
const maxTableBytes = 48 * 1024 * 1024;
const maxToken = 512;
/** The lowest address of any kernel: aarch64 with 52 bits. */
const kernelSpace = 0xfff0000000000000n;
/** Of offsets that are stored as negative numbers. */
const signBit = 0x80000000;
/** What nm prints, and so what scripts/kallsyms.c puts before a name. */
const typeLetter = /^[abdinrtuvwABDINRTUVW]/;

/**
 * Looks for the tables of kallsyms between two physical addresses.
 *
 * The token table is recognised by its digits (each is its own token) and proved by the token index, which must
 * be what the token table implies. The number of symbols is recognised by the names that follow it and proved
 * by the markers after those: all tables are checked against each other, so that a false hit does not survive.
 */
export function findKallsyms(memory: PhysicalMemory, start: number, end: number): KallsymsTables | undefined {
  return kallsymsIn(memory.read(start, end - start));
}

/**
 * The same in read-only data that is at hand.
 * @param relocated whether the addresses must be those of a running kernel; in some files they are relative
 */
export function kallsymsIn(region: Buffer, relocated = true): KallsymsTables | undefined {
  const digits = Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0', 'latin1');
  const budget = { steps: maxSteps };
  let runs = 0;
  for (
    let at = region.indexOf(digits);
    at >= 0 && runs < maxRuns;
    at = region.indexOf(digits, at + 1), runs++
  ) {
    for (const table of tokenTablesAround(region, at)) {
      const tables = tablesAround(region, table, budget, relocated);
      if (tables) return tables;
    }
  }
  return undefined;
}

/** Bytes that each table starts at a multiple of: 4 since no table has words of 8 bytes. */
type Alignment = 4 | 8;

interface TokenTable {
  readonly start: number;
  readonly alignment: Alignment;
  /** Just after the token index. */
  readonly end: number;
  readonly tokens: readonly string[];
}

/** The token table that the digits are in, once for each alignment that it may have. */
function* tokenTablesAround(region: Buffer, digits: number): Generator<TokenTable> {
  let second = digits;
  for (let token = 0x30; token > 1; token--) {
    second = region.lastIndexOf(0, second - 2) + 1;
    if (second <= 1) return;
  }
  // What stands before the first token need not end in a NUL, but the table is aligned.
  for (const alignment of [8, 4] as const)
    for (
      let start = (second - 2) & -alignment;
      start >= 0 && second - start <= maxToken;
      start -= alignment
    ) {
      const table = tokenTableAt(region, start, alignment);
      if (!table) continue;
      yield table;
      break;
    }
}

function tokenTableAt(region: Buffer, start: number, alignment: Alignment): TokenTable | undefined {
  const starts = new Uint16Array(257);
  let at = start;
  for (let token = 0; token < 256; token++) {
    starts[token] = at - start;
    const stop = region.indexOf(0, at);
    if (stop <= at || stop - at > maxToken) return undefined;
    at = stop + 1;
  }
  starts[256] = at - start;
  const index = align(at, alignment);
  if (index + 512 > region.length) return undefined;
  for (let token = 0; token < 256; token++)
    if (region.readUInt16LE(index + token * 2) !== starts[token]) return undefined;
  const tokens = Array.from({ length: 256 }, (_, token) =>
    region.toString('latin1', start + (starts[token] ?? 0), start + (starts[token + 1] ?? 0) - 1),
  );
  return { start, end: index + 512, tokens, alignment };
}

/**
 * Up to 6.3 the order is offsets, relative_base, num_syms, names, markers, token_table, token_index; then
 * offsets and relative_base came after token_index (404bad70fcf7, 6.4), and in 7.x relative_base went, and all
 * alignment with it. seqs_of_names does not matter here.
 */
function tablesAround(
  region: Buffer,
  table: TokenTable,
  budget: { steps: number },
  relocated: boolean,
): KallsymsTables | undefined {
  const lowest = Math.max(0, table.start - maxTableBytes);
  const { alignment } = table;
  for (let at = (table.start - 16) & -alignment; at >= lowest; at -= alignment) {
    const count = region.readUInt32LE(at);
    if (count < minSymbols || count > maxSymbols || !isLikely(count, table.start - at)) continue;
    if (alignment === 8 && region.readUInt32LE(at + 4) !== 0) continue;
    const names = namesAt(region, at + alignment, count, table, budget);
    if (!names) continue;
    const fixed = { count, names, tokens: table.tokens };
    if (alignment === 4) {
      const offsetsAt = align(table.end, alignment);
      const offsets = placeRelativeAt(region, offsetsAt, count);
      if (!offsets) continue;
      return {
        ...{ ...fixed, offsets, offsetsAt, relativeBase: undefined, absolutePercpu: false },
        spans: [{ start: at, end: offsetsAt + count * 4 }],
      };
    }
    for (const [start, baseAt] of [
      [at - 8 - align(count * 4, 8), at - 8],
      [align(table.end, 8), align(table.end, 8) + align(count * 4, 8)],
    ] as const) {
      const values = offsetsAt(region, start, count, baseAt, relocated);
      if (!values) continue;
      const spans = [
        { start: at, end: table.end },
        { start, end: start + count * 4 },
      ];
      return { ...fixed, offsetsAt: start, spans, ...values };
    }
  }
  return undefined;
}

/** Bytes that a symbol takes between the number of symbols and the token table: a name, and its part of the rest. */
const symbolBytes = { least: 2, most: 64 };

/** Whether so many symbols can take so many bytes: most words of the tables are no number of symbols. */
function isLikely(count: number, bytes: number): boolean {
  return count * symbolBytes.least < bytes && count * symbolBytes.most > bytes;
}

/** The names, when `count` of them end where markers start that are right for them. */
function namesAt(
  region: Buffer,
  start: number,
  count: number,
  table: TokenTable,
  budget: { steps: number },
): Uint8Array | undefined {
  for (let index = 0, at = start; index < 64; index++) {
    if (!typeLetter.test(expandName(region, table.tokens, at))) return undefined;
    at = nextName(region, at);
  }
  const markers = new Uint32Array(Math.ceil(count / 256));
  let at = start;
  for (let index = 0; index < count; index++) {
    if ((index & 0xff) === 0) markers[index >>> 8] = at - start;
    at = nextName(region, at);
    if (at > table.start || --budget.steps < 0) return undefined;
  }
  const markersAt = align(at, table.alignment);
  if (markersAt + markers.length * 4 > table.start) return undefined;
  for (let index = 0; index < markers.length; index++)
    if (region.readUInt32LE(markersAt + index * 4) !== markers[index]) return undefined;
  return region.subarray(start, at);
}

function offsetsAt(region: Buffer, start: number, count: number, baseAt: number, relocated: boolean) {
  if (start < 0 || baseAt + 8 > region.length) return undefined;
  const relativeBase = region.readBigUInt64LE(baseAt);
  const isRelative = !relocated && relativeBase === 0n;
  if (!isRelative && (relativeBase < kernelSpace || relativeBase % 4096n !== 0n)) return undefined;
  const bytes = new Uint8Array(count * 4);
  bytes.set(region.subarray(start, start + count * 4));
  const offsets = new Int32Array(bytes.buffer);
  // No base tells these from zeros: but the symbols are sorted by address.
  if (isRelative && !isAscending(offsets)) return undefined;
  // Sorted by address: with ABSOLUTE_PERCPU the last symbols are the highest above the base, stored as -1 - offset.
  const absolutePercpu = (offsets.at(-1) as number) < 0;
  return isSorted(offsets, absolutePercpu) ? { offsets, relativeBase, absolutePercpu } : undefined;
}

/** Symbols are sorted by address. */
function isSorted(offsets: Int32Array, absolutePercpu: boolean): boolean {
  // As unsigned numbers the absolute ones ascend, and then those that are stored as -1 - offset descend.
  const values = new Uint32Array(offsets.buffer);
  for (let index = 1; index < values.length; index++) {
    const [before, now] = [values[index - 1] as number, values[index] as number];
    const descends = absolutePercpu && before >= signBit && now >= signBit;
    if (descends ? now > before : now < before) return false;
  }
  return true;
}

/** Offsets from their own places. Nothing else tells them from other words, but the symbols are sorted by address. */
function placeRelativeAt(region: Buffer, start: number, count: number): Int32Array | undefined {
  if (start + count * 4 > region.length) return undefined;
  const offsets = new Int32Array(count);
  let last = -Infinity;
  for (let index = 0; index < count; index++) {
    const offset = region.readInt32LE(start + index * 4);
    const place = index * 4 + offset;
    if (place < last) return undefined;
    last = place;
    offsets[index] = offset;
  }
  return offsets;
}

function isAscending(offsets: Int32Array): boolean {
  let last = 0;
  for (const offset of offsets) {
    if (offset < last) return false;
    last = offset;
  }
  return last > 0;
}

/** Where the name behind the one at `at` begins. */
export function nextName(names: Uint8Array, at: number): number {
  const length = names[at] ?? 0;
  // "big" symbols: 73bbb94466fd (6.1)
  return length & 0x80 ? at + 2 + ((length & 0x7f) | ((names[at + 1] ?? 0) << 7)) : at + 1 + length;
}

/** The name that starts at `at`, type letter first. */
export function expandName(names: Uint8Array, tokens: readonly string[], at: number): string {
  const end = nextName(names, at);
  let name = '';
  for (let index = at + ((names[at] ?? 0) & 0x80 ? 2 : 1); index < end; index++)
    name += tokens[names[index] ?? 0] ?? '';
  return name;
}

function align(value: number, alignment: Alignment): number {
  return (value + alignment - 1) & -alignment;
}
