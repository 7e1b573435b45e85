import type { Guest } from '../guest/guest.js';
import type { CallDecision, CallStop, MachineAnswers, TraceOptions } from '../tracer/tracer.js';
import { answer, fail, GuestProcesses, mayActOn, pass, type GuestProcess } from './guest-process.js';
import * as scheduling from './guest-scheduling.js';
import { GuestSignals, type SignalListener } from './guest-signals.js';
import { packMachine } from './machine.js';
import { packUts } from './uts.js';

/** What a run of the tracer answers from a guest. */
export type GuestAnswers = Required<Pick<TraceOptions, 'uname' | 'machine' | 'onCall' | 'guestPids'>>;

/** PF_NO_SETAFFINITY: a kernel thread that stays where it is. */
const PF_NO_SETAFFINITY = 0x0400_0000;

type Handler = (call: CallStop) => CallDecision;

/**
 * All that programs are told of a guest by system calls: its names, its machine, and its processes, which can be
 * looked at but not reached. What a call changes of one is remembered for later calls. To be used for all commands
 * of an update.
 *
 * @param onSignal told of each signal to a process of the guest, while the sender waits
 * @param processes the guest's, if some are going to end meanwhile
 * @throws OuaError `GUEST_INCONSISTENT`
 */
export function guestAnswers(
  guest: Guest,
  onSignal: SignalListener,
  processes = new GuestProcesses(guest),
): GuestAnswers {
  const machine = packMachine(guest);
  const handlers = handlersFor(processes, new GuestSignals(processes, onSignal), machine);
  return {
    uname: packUts(guest.uts),
    machine,
    guestPids: processes.pids,
    onCall: (call) => handlers[call.name]?.(call) ?? pass,
  };
}

function handlersFor(
  processes: GuestProcesses,
  signals: GuestSignals,
  machine: MachineAnswers,
): Readonly<Partial<Record<CallStop['name'], Handler>>> {
  const on = (decide: Parameters<typeof scheduling.onProcess>[1]) => scheduling.onProcess(processes, decide);
  return {
    kill: (call) => signals.kill(call),
    tkill: (call) => signals.tkill(call),
    tgkill: (call) => signals.tgkill(call),
    rt_sigqueueinfo: (call) => signals.rtSigqueueinfo(call),
    rt_tgsigqueueinfo: (call) => signals.rtTgsigqueueinfo(call),
    pidfd_open: (call) => signals.pidfdOpen(call),
    pidfd_send_signal: (call) => signals.pidfdSendSignal(call),
    pidfd_getfd: (call) => signals.pidfdGetfd(call),
    waitid: () => fail('ECHILD'),
    getpgid: on((_call, { process }) => answer(process.pgrp)),
    getsid: on((_call, { process }) => answer(process.session)),
    getpriority: scheduling.getPriority(processes),
    setpriority: scheduling.setPriority(processes),
    ioprio_get: scheduling.getIoPriority(processes),
    ioprio_set: scheduling.setIoPriority(processes),
    sched_getscheduler: on(scheduling.getScheduler),
    sched_setscheduler: on(scheduling.setSchedulerCall),
    sched_getparam: on(scheduling.getParam),
    sched_setparam: on(scheduling.setParam),
    sched_getattr: on(scheduling.getAttr),
    sched_setattr: on(scheduling.setAttr),
    sched_rr_get_interval: on(scheduling.rrInterval),
    sched_rr_get_interval_time64: on(scheduling.rrIntervalWide),
    sched_getaffinity: on((call, found) => getAffinity(call, found, machine)),
    sched_setaffinity: on((call, found) => setAffinity(call, found, machine)),
    prlimit64: on(limit),
  };
}

function getAffinity(call: CallStop, { attributes }: GuestProcess, machine: MachineAnswers): CallDecision {
  const room = call.int(1) >>> 0;
  if (room * 8 < machine.cpuIds || room % (call.compat ? 4 : 8) !== 0) return fail('EINVAL');
  const mask = (attributes.affinity ?? machine.cpus).subarray(0, room);
  return answer(mask.length, 2, mask);
}

function setAffinity(
  call: CallStop,
  { process, attributes }: GuestProcess,
  { cpus }: MachineAnswers,
): CallDecision {
  const given = call.read(2, Math.min(call.int(1) >>> 0, cpus.length));
  if (!given) return fail('EFAULT');
  if (process.flags & PF_NO_SETAFFINITY) return fail('EINVAL');
  if (!mayActOn(call, process, 'schedule')) return fail('EPERM');
  const mask = Buffer.from(cpus.map((byte, index) => byte & (given[index] ?? 0)));
  if (mask.every((byte) => byte === 0)) return fail('EINVAL');
  attributes.affinity = mask;
  return answer(0);
}

/** prlimit(2): the old limit, and a new one that is only remembered. */
function limit(call: CallStop, { process, attributes: { limits } }: GuestProcess): CallDecision {
  const resource = call.int(1);
  const old = limits[resource];
  if (resource < 0 || !old) return fail('EINVAL');
  const given = call.isNull(2) ? undefined : call.read(2, 16);
  if (!call.isNull(2) && !given) return fail('EFAULT');
  if (!mayActOn(call, process, 'limit')) return fail('EPERM');
  if (given) {
    const wanted = [given.readBigUInt64LE(0), given.readBigUInt64LE(8)] as const;
    if (wanted[0] > wanted[1]) return fail('EINVAL');
    if (wanted[1] > old[1] && call.uids()[1] !== 0) return fail('EPERM');
    limits[resource] = wanted;
  }
  if (call.isNull(3)) return answer(0);
  const bytes = Buffer.alloc(16);
  old.forEach((value, index) => bytes.writeBigUInt64LE(value, index * 8));
  return answer(0, 3, bytes);
}
