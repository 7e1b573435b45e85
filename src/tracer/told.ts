/** Records of the shim → events as listeners see them. */
import { eventKind, splitRecords, unpackStrings, type EventRecord } from './records.js';
import type { SyscallRow } from './row.js';
import { decodeCall } from './told-call.js';
import type { ExecCall, Exit, TraceEvent } from './tracer.js';

/** wait(2): the low seven bits are the signal, the next byte the status. */
export function exitOf(status: number): Exit {
  const signal = status & 0x7f;
  return signal ? { exitStatus: 128 + signal, signal } : { exitStatus: (status >> 8) & 0xff };
}

function callOf(record: EventRecord): ExecCall | undefined {
  const [path, absolutePath, argv] = record.strings();
  if (!path || !absolutePath || !argv) return undefined;
  return { sequence: record.status - 1, path, absolutePath, argv: unpackStrings(argv) };
}

type Decode = (record: EventRecord, rows: readonly SyscallRow[]) => TraceEvent | undefined;

const decoders: Readonly<Record<number, Decode>> = {
  [eventKind.fork]: ({ tid, other, status }) => ({
    type: 'fork',
    pid: tid,
    child: other,
    thread: status === 1,
  }),
  [eventKind.exec]: (record) => {
    const call = callOf(record);
    const redirected = record.argument(0) === 1;
    return { type: 'exec', pid: record.tid, parent: record.other, redirected, ...(call && { call }) };
  },
  [eventKind.execFailed]: (record) => {
    const call = callOf(record);
    const errno = record.argument(1);
    return call && { type: 'exec-failed', pid: record.tid, parent: record.other, errno, call };
  },
  // Threads end silently.
  [eventKind.exit]: ({ tid, other, status }) =>
    tid === other ? { type: 'exit', pid: tid, ...exitOf(status) } : undefined,
  [eventKind.call]: (record, rows) => decodeCall(rows, record),
};

/** Those of some whole records that listeners are told, as events, in order. `rows`: those of the run. */
export function decodeEvents(records: Uint8Array, rows: readonly SyscallRow[]): TraceEvent[] {
  const bytes = Buffer.from(records.buffer, records.byteOffset, records.byteLength);
  const events: TraceEvent[] = [];
  for (const record of splitRecords(bytes).records) {
    const event = decoders[record.kind]?.(record, rows);
    if (event) events.push(event);
  }
  return events;
}

/** `ERESTARTSYS`, the first of the errnos by which the kernel makes a call again; linux/errno.h. */
const kernelRestart = 512;

/** The errno of a redirected exec that failed for good. */
export function failedRedirect(record: EventRecord): number | undefined {
  const errno = record.argument(1);
  return record.argument(0) === 1 && errno < kernelRestart ? errno : undefined;
}
