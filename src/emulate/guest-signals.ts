/** Signals to the guest's processes: kernel/signal.c and kernel/pid.c. */
import type { Process } from '../guest/guest.js';
import type { CallDecision, CallStop } from '../tracer/tracer.js';
import { answer, fail, mayActOn, pass, type GuestProcesses } from './guest-process.js';

/** A signal that a process of the run sent to one of the guest's. It went nowhere. */
export interface SentSignal {
  /** As the host numbers it. */
  readonly sender: number;
  readonly signal: number;
  readonly target: Process;
}

export type SignalListener = (sent: SentSignal) => void;

/** `_NSIG` of all our machines. */
const lastSignal = 64;
/** Offsets in siginfo_t, the same for 32-bit programs; its size. */
const siginfo = { signo: 0, code: 8, size: 128 } as const;
/** Negative codes are a program's own, but this one is tkill's. */
const SI_TKILL = -6;
/** `PIDFD_NONBLOCK` and `PIDFD_THREAD`, linux/pidfd.h. */
const pidfdFlags = { nonblock: 0o4000, thread: 0o200 } as const;
const SFD_CLOEXEC = 0o2000000;

/** Answers to the calls that send a signal or open a process to do so, by the name of the call. */
export class GuestSignals {
  readonly #processes: GuestProcesses;
  readonly #onSignal: SignalListener;

  constructor(processes: GuestProcesses, onSignal: SignalListener) {
    this.#processes = processes;
    this.#onSignal = onSignal;
  }

  kill(call: CallStop): CallDecision {
    const pid = call.int(0);
    return pid < 0 ? this.#killMany(call, pid) : this.#send(call, pid, call.int(1));
  }

  tkill(call: CallStop): CallDecision {
    return this.#send(call, call.int(0), call.int(1));
  }

  tgkill(call: CallStop): CallDecision {
    return this.#sendInGroup(call, call.int(2));
  }

  rtSigqueueinfo(call: CallStop): CallDecision {
    const refusal = refusedInfo(call, 2);
    return refusal ?? this.#send(call, call.int(0), call.int(1));
  }

  rtTgsigqueueinfo(call: CallStop): CallDecision {
    const refusal = refusedInfo(call, 3);
    return refusal ?? this.#sendInGroup(call, call.int(2));
  }

  pidfdOpen(call: CallStop): CallDecision {
    const flags = call.int(1);
    const found = this.#processes.find(call.int(0));
    if (flags & ~(pidfdFlags.nonblock | pidfdFlags.thread)) return fail('EINVAL');
    if (!found) return fail('ESRCH');
    if (found.process.pid !== call.int(0) && !(flags & pidfdFlags.thread)) return fail('EINVAL');
    const nonblock = flags & pidfdFlags.nonblock;
    return { action: 'stand-in', pid: call.int(0), flags: SFD_CLOEXEC | nonblock };
  }

  pidfdSendSignal(call: CallStop): CallDecision {
    if (call.int(3) !== 0) return fail('EINVAL');
    if (!call.isNull(2)) {
      const info = call.read(2, siginfo.size);
      if (info && info.readInt32LE(siginfo.signo) !== call.int(1)) return fail('EINVAL');
      const refusal = refusedInfo(call, 2);
      if (refusal) return refusal;
    }
    return this.#send(call, call.target ?? 0, call.int(1));
  }

  /** Its files are not there: also root gets what an unprivileged caller gets. */
  pidfdGetfd(call: CallStop): CallDecision {
    return fail(call.int(2) === 0 ? 'EPERM' : 'EINVAL');
  }

  #sendInGroup(call: CallStop, signal: number): CallDecision {
    const [group, thread] = [call.int(0), call.int(1)];
    if (group <= 0) return fail('EINVAL');
    return this.#processes.find(thread)?.process.pid === group
      ? this.#send(call, thread, signal)
      : fail('ESRCH');
  }

  #send(call: CallStop, pid: number, signal: number): CallDecision {
    const found = this.#processes.find(pid);
    if (!found) return fail('ESRCH');
    if (signal < 0 || signal > lastSignal) return fail('EINVAL');
    if (!mayActOn(call, found.process, 'signal')) return fail('EPERM');
    this.#tell(call, found.process, signal);
    return answer(0);
  }

  /** To all, which the kernel does for the run's, or to a group, which is the guest's or the run's. */
  #killMany(call: CallStop, pid: number): CallDecision {
    const signal = call.int(1);
    const members = this.#processes
      .all()
      .map(({ process }) => process)
      .filter((process) => (pid === -1 ? process.pid > 1 && !process.kernelThread : process.pgrp === -pid));
    if (members.length === 0) return pass;
    if (signal < 0 || signal > lastSignal) return fail('EINVAL');
    const reached = members.filter((process) => mayActOn(call, process, 'signal'));
    for (const process of reached) this.#tell(call, process, signal);
    if (pid === -1) return pass;
    return reached.length > 0 ? answer(0) : fail('EPERM');
  }

  #tell({ pid: sender }: CallStop, target: Process, signal: number): void {
    if (signal > 0) this.#onSignal({ sender, signal, target });
  }
}

/** Nobody may pass for the kernel or for kill(2) towards another process. */
function refusedInfo(call: CallStop, argument: number): CallDecision | undefined {
  const info = call.read(argument, siginfo.size);
  if (!info) return fail('EFAULT');
  const code = info.readInt32LE(siginfo.code);
  return code >= 0 || code === SI_TKILL ? fail('EPERM') : undefined;
}
