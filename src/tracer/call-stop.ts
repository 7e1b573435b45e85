import { auditArch } from './bpf.js';
import { loadShim } from '../native/shim.js';
import { uidsOf } from './credentials.js';
import type { SyscallName } from './numbers.js';
import type { EventRecord } from './records.js';
import type { SyscallRow } from './row.js';
import type { CallStop } from './tracer.js';

/** A held call as handlers see it. */
export class HeldCall implements CallStop {
  readonly name: SyscallName;
  readonly pid: number;
  readonly compat: boolean;
  readonly target: number | undefined;
  readonly #record: EventRecord;

  /** @param rows those that the run's filter was made from */
  constructor(record: EventRecord, rows: readonly SyscallRow[]) {
    const [about] = record.strings();
    const row = about && rows[about.readUInt32LE(0)];
    if (!row) throw new RangeError('a held call without its row');
    this.name = row.name;
    this.pid = record.other;
    this.compat = about.readUInt32LE(4) === auditArch.i386;
    this.target = about.readInt32LE(8) || undefined;
    this.#record = record;
  }

  int(argument: number): number {
    return this.#record.word(argument) | 0;
  }

  isNull(argument: number): boolean {
    return this.#record.longWord(argument) === 0n;
  }

  read(argument: number, length: number): Buffer | undefined {
    const bytes = Buffer.alloc(length);
    const address = this.#record.longWord(argument);
    const count = loadShim().oua_trace_read_memory(this.#record.tid, address, bytes, length);
    return count === length ? bytes : undefined;
  }

  uids(): readonly [real: number, effective: number] {
    return uidsOf(this.#record.tid);
  }
}
