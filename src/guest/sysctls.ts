import type { Kernel } from '../kernel/kernel.js';
import { sysctlHandlers, type SysctlKind } from '../kernel/sysctl-handlers.js';
import { computedSysctls } from './sysctl-computed.js';
import { sysctlEntries } from './sysctl-tree.js';
import { ticksPerSecond } from './time.js';
import { uuidText } from './uuid.js';

/** What one read of a sysctl gives at most. */
const maxValue = 64 * 1024;
const USER_HZ = 100;

/**
 * The values of all sysctls whose handler we know, as `/proc/sys` shows them, by path. Handlers of modules and
 * those that compute their answer are not known: their files are left out, never guessed.
 */
export function readSysctls(kernel: Kernel): Map<string, string> {
  const values = new Map<string, string>();
  const kinds = handlerKinds(kernel);
  const hz = ticksPerSecond(kernel);
  for (const { path, table } of sysctlEntries(kernel)) {
    const kind = kinds.get(table.pointer('proc_handler'));
    const data = table.pointer('data');
    const length = Math.min(table.int('maxlen'), maxValue);
    if (kind === undefined || data === 0n) continue;
    const value = length <= 0 ? '' : formats[kind]({ kernel, path, data, length, hz });
    if (value !== undefined) values.set(path, value);
  }
  for (const [path, read] of Object.entries(computedSysctls)) {
    const value = read(kernel);
    if (value !== undefined) values.set(path, value);
  }
  return values;
}

interface Source {
  readonly kernel: Kernel;
  readonly path: string;
  readonly data: bigint;
  /** Bytes, `maxlen` of the table. */
  readonly length: number;
  readonly hz: number;
}

const formats: Readonly<Record<SysctlKind, (source: Source) => string | undefined>> = {
  string: ({ kernel, data, length }) => {
    const bytes = kernel.read(data, length);
    const end = bytes.indexOf(0);
    return bytes.toString('utf8', 0, end < 0 ? length : end);
  },
  int: (source) => words(source, 4, (bytes, at) => bytes.readInt32LE(at)),
  uint: (source) => words(source, 4, (bytes, at) => bytes.readUInt32LE(at)),
  // The handlers with names of their own had ints before they had bytes.
  u8: (source) =>
    source.length === 1 ? words(source, 1, (bytes, at) => bytes.readUInt8(at)) : formats.int(source),
  bool: ({ kernel, data }) => String(kernel.read(data, 1)[0] ? 1 : 0),
  ulong: (source) => words(source, 8, (bytes, at) => bytes.readBigUInt64LE(at)),
  jiffies: (source) => words(source, 4, (bytes, at) => Math.trunc(bytes.readInt32LE(at) / source.hz)),
  userhz_jiffies: (source) =>
    words(source, 4, (bytes, at) => Math.trunc((bytes.readInt32LE(at) * USER_HZ) / source.hz)),
  ms_jiffies: (source) =>
    words(source, 4, (bytes, at) => Math.trunc((bytes.readInt32LE(at) * 1000) / source.hz)),
  named_jiffies: (source) => (source.path.endsWith('_ms') ? formats.ms_jiffies(source) : undefined),
  ulong_ms_jiffies: (source) =>
    words(source, 8, (bytes, at) => (bytes.readBigUInt64LE(at) * 1000n) / BigInt(source.hz)),
  uuid: ({ kernel, data }) => uuidText(kernel.read(data, 16)),
  bitmap: ({ kernel, data, length }) => {
    const bitmap = kernel.pointer(data);
    return bitmap === 0n ? '' : ranges(kernel.read(bitmap, Math.ceil(length / 8)), length);
  },
};

function words(source: Source, size: number, read: (bytes: Buffer, at: number) => number | bigint): string {
  const count = Math.floor(source.length / size);
  const bytes = source.kernel.read(source.data, count * size);
  return Array.from({ length: count }, (_, index) => String(read(bytes, index * size))).join('\t');
}

/** Set bits as proc_do_large_bitmap() prints them: `1-3,7`. Most of them, of all ports for one, have none. */
function ranges(bitmap: Buffer, bits: number): string {
  const isSet = (bit: number) => bit < bits && ((bitmap[bit >>> 3] ?? 0) >>> (bit & 7)) & 1;
  const parts: string[] = [];
  for (let bit = 0; bit < bits; bit++) {
    if (bitmap[bit >>> 3] === 0) bit |= 7;
    if (!isSet(bit)) continue;
    const first = bit;
    while (isSet(bit + 1)) bit++;
    parts.push(first === bit ? String(first) : `${first}-${bit}`);
  }
  return parts.join(',');
}

function handlerKinds(kernel: Kernel): Map<bigint, SysctlKind> {
  const kinds = new Map<bigint, SysctlKind>();
  for (const [kind, names] of Object.entries(sysctlHandlers))
    for (const name of names) {
      const address = kernel.find(name);
      if (address !== undefined) kinds.set(address, kind as SysctlKind);
    }
  return kinds;
}
