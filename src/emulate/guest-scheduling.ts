/** Priorities and schedulers of the guest's processes: kernel/sched/syscalls.c, kernel/sys.c, block/ioprio.c. */
import type { CallDecision, CallStop } from '../tracer/tracer.js';
import { answer, fail, mayActOn, pass, type GuestProcess, type GuestProcesses } from './guest-process.js';

/** linux/sched.h */
const SCHED_FIFO = 1;
const SCHED_RR = 2;
const policies: ReadonlySet<number> = new Set([0, SCHED_FIFO, SCHED_RR, 3, 5]);
const maxRtPriority = 99;
const isRealTime = (policy: number) => policy === SCHED_FIFO || policy === SCHED_RR;
/** `SCHED_ATTR_SIZE_VER0` and the size with utilisation clamps, linux/sched/types.h. */
const attrSizes = { first: 48, whole: 56, page: 4096 } as const;
const rrNanoseconds = 100_000_000n;
/** Kinds, counted from the first: of getpriority(2) from 0, of ioprio_get(2) from 1. */
const kinds = { process: 0, group: 1, user: 2 } as const;

type OnProcess = (call: CallStop, found: GuestProcess) => CallDecision;

/** A decision about the process in argument 0. */
export const onProcess =
  (processes: GuestProcesses, decide: OnProcess) =>
  (call: CallStop): CallDecision => {
    const found = processes.find(call.int(0));
    return found ? decide(call, found) : pass;
  };

/** The processes that a kind and a number mean, or undefined when none of the guest's is among them. */
function named(processes: GuestProcesses, call: CallStop, first: number): GuestProcess[] | undefined {
  const kind = call.int(0) - first;
  const who = call.int(1);
  const user = who === 0 ? call.uids()[0] : who;
  const found = processes
    .all()
    .filter(({ process }) =>
      kind === kinds.group ? process.pgrp === who : kind === kinds.user && process.uids[0] === user,
    );
  const one = kind === kinds.process ? processes.find(who) : undefined;
  return one ? [one] : found.length > 0 ? found : undefined;
}

/** Sets what `set` sets of each that the caller may act on: the last error counts, as in the kernel. */
function setEach(
  call: CallStop,
  found: readonly GuestProcess[],
  set: (one: GuestProcess) => void,
): CallDecision {
  const allowed = found.filter(({ process }) => mayActOn(call, process, 'schedule'));
  allowed.forEach(set);
  return allowed.length === found.length ? answer(0) : fail('EPERM');
}

export const getPriority = (processes: GuestProcesses) => (call: CallStop) => {
  const found = named(processes, call, 0);
  return found ? answer(20 - Math.min(...found.map(({ attributes }) => attributes.nice))) : pass;
};

export const setPriority = (processes: GuestProcesses) => (call: CallStop) => {
  const found = named(processes, call, 0);
  const nice = Math.max(-20, Math.min(19, call.int(2)));
  // Of a user's processes those of the run are the kernel's to set.
  if (!found || call.int(0) === kinds.user) return pass;
  if (call.uids()[1] !== 0 && found.some(({ attributes }) => nice < attributes.nice)) return fail('EACCES');
  return setEach(call, found, ({ attributes }) => (attributes.nice = nice));
};

export const getIoPriority = (processes: GuestProcesses) => (call: CallStop) => {
  const found = named(processes, call, 1);
  return found ? answer(Math.min(...found.map(({ attributes }) => attributes.ioPriority))) : pass;
};

export const setIoPriority = (processes: GuestProcesses) => (call: CallStop) => {
  const found = named(processes, call, 1);
  if (!found || call.int(0) - 1 === kinds.user) return pass;
  return setEach(call, found, ({ attributes }) => (attributes.ioPriority = call.int(2)));
};

export const getScheduler: OnProcess = (_call, { attributes }) => answer(attributes.policy);

export const getParam: OnProcess = (call, { attributes }) => {
  if (call.isNull(1)) return fail('EINVAL');
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(isRealTime(attributes.policy) ? attributes.rtPriority : 0);
  return answer(0, 1, bytes);
};

function setScheduler(
  call: CallStop,
  { process, attributes }: GuestProcess,
  wanted: { policy: number; priority: number; nice?: number },
): CallDecision {
  const { policy, priority, nice } = wanted;
  const right = isRealTime(policy) ? priority >= 1 && priority <= maxRtPriority : priority === 0;
  if (!policies.has(policy) || !right) return fail('EINVAL');
  if (!mayActOn(call, process, 'schedule')) return fail('EPERM');
  if (call.uids()[1] !== 0 && isRealTime(policy)) return fail('EPERM');
  attributes.policy = policy;
  attributes.rtPriority = priority;
  if (nice !== undefined) attributes.nice = nice;
  return answer(0);
}

const setFromParam =
  (argument: number, policyOf: (call: CallStop, found: GuestProcess) => number): OnProcess =>
  (call, found) => {
    if (call.isNull(argument) || policyOf(call, found) < 0) return fail('EINVAL');
    const param = call.read(argument, 4);
    if (!param) return fail('EFAULT');
    return setScheduler(call, found, { policy: policyOf(call, found), priority: param.readInt32LE() });
  };
export const setParam = setFromParam(1, (_call, { attributes }) => attributes.policy);
export const setSchedulerCall = setFromParam(2, (call) => call.int(1));

/** `struct sched_attr`: size, policy, flags, nice, priority, and what we leave zero. */
export const getAttr: OnProcess = (call, { attributes }) => {
  const room = call.int(2);
  if (call.isNull(1) || room < attrSizes.first || room > attrSizes.page || call.int(3) !== 0)
    return fail('EINVAL');
  const bytes = Buffer.alloc(Math.min(room, attrSizes.whole));
  const realTime = isRealTime(attributes.policy);
  bytes.writeUInt32LE(bytes.length, 0);
  bytes.writeUInt32LE(attributes.policy, 4);
  bytes.writeInt32LE(realTime ? 0 : attributes.nice, 16);
  bytes.writeUInt32LE(realTime ? attributes.rtPriority : 0, 20);
  return answer(0, 1, bytes);
};

export const setAttr: OnProcess = (call, found) => {
  if (call.isNull(1) || call.int(2) !== 0) return fail('EINVAL');
  const attr = call.read(1, attrSizes.first);
  if (!attr) return fail('EFAULT');
  const policy = attr.readUInt32LE(4);
  const nice = Math.max(-20, Math.min(19, attr.readInt32LE(16)));
  const wanted = { policy, priority: attr.readUInt32LE(20) };
  return setScheduler(call, found, isRealTime(policy) ? wanted : { ...wanted, nice });
};

/** What a sleeping process has left of its turn. */
const roundRobin =
  (wide: boolean): OnProcess =>
  (call, { attributes }) => {
    const bytes = Buffer.alloc(call.compat && !wide ? 8 : 16);
    const nanoseconds = attributes.policy === SCHED_RR ? rrNanoseconds : 0n;
    bytes.writeUInt32LE(Number(nanoseconds), bytes.length / 2);
    return answer(0, 1, bytes);
  };
export const rrInterval = roundRobin(false);
export const rrIntervalWide = roundRobin(true);
