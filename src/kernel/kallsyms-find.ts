import type { PhysicalMemory } from '../memory/memory.js';

/** The tables of kallsyms, found and checked. All of them lie in the kernel's read-only data. */
export interface KallsymsTables {
  readonly count: number;
  /** Compressed names: a length, then indices into `tokens`; the first character of a name is its type letter. */
  readonly names: Uint8Array;
  readonly tokens: readonly string[];
  readonly offsets: Int32Array;
  /** As in memory, that is, relocated by KASLR. */
  readonly relativeBase: bigint;
  /** Offsets are negative below the base and others absolute (CONFIG_KALLSYMS_ABSOLUTE_PERCPU, gone in 6.15). */
  readonly absolutePercpu: boolean;
}

/** Work for hostile memory: runs of digits looked at, and names stepped over. Real memory has a handful of runs. */
const maxRuns = 256;
const maxSteps = 32_000_000;
const minSymbols = 1000;
const maxSymbols = 4_000_000;
/** names, markers and seqs_of_names take 2–4 MB together on distributions' kernels. */
const maxTableBytes = 48 * 1024 * 1024;
const maxToken = 512;
const kernelSpace = 0xffffffff80000000n;
/** What nm prints, and so what scripts/kallsyms.c puts before a name. */
const typeLetter = /^[a-zA-Z]/;

/**
 * Looks for the tables of kallsyms between two physical addresses.
 *
 * The token table is recognised by its digits (each is its own token) and proved by the token index, which must
 * be what the token table implies. The number of symbols is recognised by the names that follow it and proved
 * by the markers after those: all tables are checked against each other, so that a false hit does not survive.
 */
export function findKallsyms(memory: PhysicalMemory, start: number, end: number): KallsymsTables | undefined {
  const region = memory.read(start, end - start);
  const digits = Buffer.from('0\x001\x002\x003\x004\x005\x006\x007\x008\x009\0', 'latin1');
  const budget = { steps: maxSteps };
  let runs = 0;
  for (
    let at = region.indexOf(digits);
    at >= 0 && runs < maxRuns;
    at = region.indexOf(digits, at + 1), runs++
  ) {
    const table = tokenTableAround(region, at);
    const tables = table && tablesAround(region, table, budget);
    if (tables) return tables;
  }
  return undefined;
}

interface TokenTable {
  readonly start: number;
  /** Just after the token index. */
  readonly end: number;
  readonly tokens: readonly string[];
}

function tokenTableAround(region: Buffer, digits: number): TokenTable | undefined {
  let second = digits;
  for (let token = 0x30; token > 1; token--) {
    second = region.lastIndexOf(0, second - 2) + 1;
    if (second <= 1) return undefined;
  }
  // What stands before the first token need not end in a NUL, but the table is aligned to 8 bytes.
  for (let start = (second - 2) & ~7; start >= 0 && second - start <= maxToken; start -= 8) {
    const table = tokenTableAt(region, start);
    if (table) return table;
  }
  return undefined;
}

function tokenTableAt(region: Buffer, start: number): TokenTable | undefined {
  const starts = new Uint16Array(257);
  let at = start;
  for (let token = 0; token < 256; token++) {
    starts[token] = at - start;
    const stop = region.indexOf(0, at);
    if (stop <= at || stop - at > maxToken) return undefined;
    at = stop + 1;
  }
  starts[256] = at - start;
  const index = align8(at);
  if (index + 512 > region.length) return undefined;
  for (let token = 0; token < 256; token++)
    if (region.readUInt16LE(index + token * 2) !== starts[token]) return undefined;
  const tokens = Array.from({ length: 256 }, (_, token) =>
    region.toString('latin1', start + (starts[token] ?? 0), start + (starts[token + 1] ?? 0) - 1),
  );
  return { start, end: index + 512, tokens };
}

/**
 * Up to 6.3 the order is offsets, relative_base, num_syms, names, markers, token_table, token_index; then
 * offsets and relative_base came after token_index (404bad70fcf7, 6.4). seqs_of_names does not matter here.
 */
function tablesAround(
  region: Buffer,
  table: TokenTable,
  budget: { steps: number },
): KallsymsTables | undefined {
  const lowest = Math.max(0, table.start - maxTableBytes);
  for (let at = (table.start - 16) & ~7; at >= lowest; at -= 8) {
    const count = region.readUInt32LE(at);
    if (count < minSymbols || count > maxSymbols || region.readUInt32LE(at + 4) !== 0) continue;
    const names = namesAt(region, at + 8, count, table, budget);
    if (!names) continue;
    const values =
      offsetsAt(region, at - 8 - align8(count * 4), count, at - 8) ??
      offsetsAt(region, align8(table.end), count, align8(table.end) + align8(count * 4));
    if (values) return { count, names, tokens: table.tokens, ...values };
  }
  return undefined;
}

/** The names, when `count` of them end where markers start that are right for them. */
function namesAt(
  region: Buffer,
  start: number,
  count: number,
  table: TokenTable,
  budget: { steps: number },
): Uint8Array | undefined {
  for (let index = 0, at = start; index < 16; index++) {
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
  const markersAt = align8(at);
  if (markersAt + markers.length * 4 > table.start) return undefined;
  for (let index = 0; index < markers.length; index++)
    if (region.readUInt32LE(markersAt + index * 4) !== markers[index]) return undefined;
  return region.subarray(start, at);
}

function offsetsAt(region: Buffer, start: number, count: number, baseAt: number) {
  if (start < 0 || baseAt + 8 > region.length) return undefined;
  const relativeBase = region.readBigUInt64LE(baseAt);
  if (relativeBase < kernelSpace || relativeBase % 4096n !== 0n) return undefined;
  const bytes = new Uint8Array(count * 4);
  bytes.set(region.subarray(start, start + count * 4));
  const offsets = new Int32Array(bytes.buffer);
  // Sorted by address: with ABSOLUTE_PERCPU the last symbols are the highest above the base, stored as -1 - offset.
  return { offsets, relativeBase, absolutePercpu: (offsets.at(-1) as number) < 0 };
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

function align8(value: number): number {
  return (value + 7) & ~7;
}
