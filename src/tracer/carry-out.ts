import type { Shim } from '../native/shim.js';
import { eventKind, packStrings, type EventRecord } from './records.js';
import type { CallDecision, ExecDecision } from './tracer.js';

export type Decision = ExecDecision | CallDecision;

const nothing = Buffer.alloc(0);

/** Tells the shim what was decided about a held tracee: 0 or `-errno`, `-ESRCH` when it is no longer there. */
export function carryOut(
  shim: Shim,
  run: number,
  { kind, tid, status: stop }: EventRecord,
  decision: Decision,
): number {
  const isCall = kind === eventKind.callStop;
  switch (decision.action) {
    case 'continue':
      if (isCall) return shim.oua_trace_call_continue(run, tid, stop);
      return 'argv' in decision && decision.argv
        ? redirect(shim, { run, tid, stop }, nothing, decision.argv)
        : shim.oua_trace_exec_continue(run, tid, stop);
    case 'fail':
      return isCall
        ? shim.oua_trace_call_answer(run, tid, stop, -decision.errno, 0, nothing, 0)
        : shim.oua_trace_exec_fail(run, tid, stop, decision.errno);
    case 'redirect':
      return redirect(shim, { run, tid, stop }, Buffer.from(`${decision.path}\0`), decision.argv);
    case 'answer': {
      const { argument, bytes } = decision.data ?? { argument: 0, bytes: nothing };
      return shim.oua_trace_call_answer(run, tid, stop, decision.result, argument, bytes, bytes.length);
    }
    case 'stand-in':
      return shim.oua_trace_call_stand_in(run, tid, stop, decision.pid, decision.flags);
  }
}

function redirect(
  shim: Shim,
  { run, tid, stop }: { readonly run: number; readonly tid: number; readonly stop: number },
  path: Buffer,
  argv: readonly Uint8Array[] | undefined,
): number {
  const words = argv ? packStrings(argv) : nothing;
  return shim.oua_trace_exec_redirect(run, tid, stop, path, path.length, words, words.length);
}
