import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, maxEntries } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

/** One record of the kernel's log, as `/dev/kmsg` tells it. */
export interface LogRecord {
  readonly sequence: bigint;
  /** Nanoseconds of the kernel's own clock, which begins at boot. */
  readonly time: bigint;
  /** 0 for the kernel itself, syslog(3). */
  readonly facility: number;
  /** From 0, emergencies, to 7, for debugging. */
  readonly level: number;
  /** May have several lines. */
  readonly text: string;
}

/** A ring of at most this many bytes: `log_buf_len` goes up to 2 GiB, Debian's is 128 KiB for a few CPUs. */
const maxTextRing = 64 * 1024 * 1024;
/** Bytes of the id in front of each text. */
const idBytes = 8;

/** enum desc_state, in the two highest bits of `state_var`. */
const COMMITTED = 1n;
const FINALIZED = 2n;
const idMask = (1n << 62n) - 1n;

type DescriptorRing = StructView<'prb_desc_ring'>;

/**
 * The kernel's log, oldest first: what dmesg prints. Descriptors between the tail and the head, each with its text in the
 * ring of texts (`kernel/printk/printk_ringbuffer.c`). Records that are being written, or whose text has been
 * overwritten, are left out, as the kernel's own readers do.
 */
export function readKernelLog(kernel: Kernel): LogRecord[] {
  const ring = kernel.view('printk_ringbuffer', kernel.pointer(kernel.symbol('prb')));
  const descriptors = kernel.view('prb_desc_ring', ring.at('desc_ring'));
  const texts = textRing(kernel, ring.at('text_data_ring'));
  const count = 2 ** descriptors.uint('count_bits');
  if (count > maxEntries)
    throw inconsistent(`the kernel log at ${hex(ring.address)} has room for ${count} records`);
  const tail = descriptors.u64('tail_id') & idMask;
  const length = ((descriptors.u64('head_id') & idMask) - tail) & idMask;
  if (length >= BigInt(count))
    throw inconsistent(`the kernel log at ${hex(ring.address)} has more records than room for them`);
  const records: LogRecord[] = [];
  for (let index = 0n; index <= length; index++) {
    const record = recordOf(kernel, descriptors, texts, (tail + index) & idMask, count);
    if (record) records.push(record);
  }
  return records;
}

function recordOf(
  kernel: Kernel,
  ring: DescriptorRing,
  texts: TextRing,
  id: bigint,
  count: number,
): LogRecord | undefined {
  const index = id % BigInt(count);
  const entry = <S extends 'prb_desc' | 'printk_info'>(struct: S, field: 'descs' | 'infos') =>
    kernel.view(struct, ring.pointer(field) + index * BigInt(kernel.layout(struct).size));
  const descriptor = entry('prb_desc', 'descs');
  const state = descriptor.u64('state_var');
  if ((state & idMask) !== id || ![COMMITTED, FINALIZED].includes(state >> 62n)) return undefined;
  const info = entry('printk_info', 'infos');
  const text = textOf(texts, id, descriptor.u64('begin'), descriptor.u64('next'), info.uint('text_len'));
  return (
    text && {
      sequence: info.u64('seq'),
      time: info.u64('ts_nsec'),
      facility: info.uint('facility'),
      level: info.uint('level'),
      text: text.toString('utf8'),
    }
  );
}

interface TextRing {
  readonly bytes: Buffer;
  /** Positions only grow: their lower bits are places in the ring. */
  readonly sizeBits: bigint;
}

function textRing(kernel: Kernel, address: bigint): TextRing {
  const ring = kernel.view('prb_data_ring', address);
  const size = 2 ** ring.uint('size_bits');
  if (size > maxTextRing) throw inconsistent(`the kernel log at ${hex(address)} has ${size} bytes of text`);
  return { bytes: kernel.read(ring.pointer('data'), size), sizeBits: BigInt(ring.uint('size_bits')) };
}

/** get_data(): the bytes of a record, or undefined when they are another one's by now. */
function textOf(
  { bytes, sizeBits }: TextRing,
  id: bigint,
  begin: bigint,
  next: bigint,
  length: number,
): Buffer | undefined {
  // A record without text has an odd place.
  if (begin & 1n && next & 1n) return length === 0 ? Buffer.alloc(0) : undefined;
  const place = (position: bigint) => Number(position & (BigInt(bytes.length) - 1n));
  const wraps = begin >> sizeBits;
  const sameLap = wraps === next >> sizeBits && begin < next;
  const endsLap = wraps + 1n === next >> sizeBits && place(next) === 0;
  const nextLap = wraps + 1n === next >> sizeBits;
  if (!sameLap && !nextLap) return undefined;
  // One that does not fit before the end of the ring lies at its start.
  const at = sameLap || endsLap ? place(begin) : 0;
  const end = endsLap ? bytes.length : place(next);
  if (end - at < idBytes || bytes.readBigUInt64LE(at) !== id) return undefined;
  return length > end - at - idBytes ? undefined : bytes.subarray(at + idBytes, at + idBytes + length);
}
