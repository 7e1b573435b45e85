/** What the main thread and the tracing thread say to each other. */
import type { MessagePort } from 'node:worker_threads';
import type { BackendName } from '../native/shim.js';
import type { Decision } from './carry-out.js';
import type { Exit, Leftover, MachineAnswers, TraceCounts } from './tracer.js';

/** Everything that a run needs, resolved and packed. */
export interface Job {
  readonly backend: BackendName;
  readonly port: MessagePort;
  readonly flags: number;
  /** C string. */
  readonly file: Uint8Array;
  /** Packed strings. */
  readonly argv: Uint8Array;
  readonly environment: Uint8Array;
  /** C string. */
  readonly cwd: Uint8Array;
  readonly streams: readonly [number, number, number];
  /** `struct sock_filter[]`. */
  readonly filter: Uint8Array;
  /** `struct oua_trace_row[]`. */
  readonly rows: Uint8Array;
  /** Packed strings. */
  readonly asked: Uint8Array | undefined;
  readonly uname: Uint8Array | undefined;
  /** int32_t each. */
  readonly guestPids: Uint8Array | undefined;
  readonly machine: MachineAnswers | undefined;
  readonly hiddenProc: string | undefined;
  readonly procServer: number | undefined;
  /** Milliseconds. */
  readonly grace: number;
  /** Whether a process given to `arm` is to be waited for, and not only the command. */
  readonly armedLater: boolean;
}

export type Order =
  | { readonly type: 'decide'; readonly stop: number; readonly decision: Decision }
  /** `kill`: processes that are ended as well. */
  | { readonly type: 'quiesce'; readonly stop: number; readonly kill: readonly number[] }
  | { readonly type: 'arm'; readonly id: number; readonly pid: number }
  /** So many bytes of events have been told. */
  | { readonly type: 'heard'; readonly bytes: number }
  | { readonly type: 'kill' };

export type Failure = {
  readonly code: 'TRACE_FAILED' | 'PROGRAM_MISSING';
  readonly message: string;
  readonly hint: string;
};

export type Report =
  | { readonly type: 'open'; readonly run: number }
  | { readonly type: 'started'; readonly pid: number }
  /** The record of an exec or call stop. */
  | { readonly type: 'stop'; readonly record: Uint8Array }
  /** `restless`: how many do not stand still, or live on. */
  | { readonly type: 'quiesced'; readonly stop: number; readonly restless: number }
  | { readonly type: 'armed'; readonly id: number; readonly found: boolean }
  /** Whole records of events that are told. */
  | { readonly type: 'events'; readonly records: Uint8Array }
  | { readonly type: 'command'; readonly exit: Exit }
  | {
      readonly type: 'end';
      readonly failure: Failure | undefined;
      /** Undefined when no process ever ran. */
      readonly exit: Exit | undefined;
      readonly leftovers: readonly Leftover[];
      readonly counts: TraceCounts;
    };
