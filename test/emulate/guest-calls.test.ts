import { constants } from 'node:os';
import { guestAnswers } from '../../src/emulate/guest-calls.js';
import { GuestProcesses } from '../../src/emulate/guest-process.js';
import type { SentSignal } from '../../src/emulate/guest-signals.js';
import type { Process } from '../../src/guest/guest.js';
import type { CallDecision, CallStop } from '../../src/tracer/tracer.js';
import { daemon, fixtureGuest, init, kernelThread } from '../shadow/proc/fixture-guest.js';

const { EPERM, ESRCH, EINVAL, EFAULT, EACCES, ECHILD } = constants.errno;
const service: Process = {
  ...daemon,
  pid: 700,
  tids: [700, 702],
  pgrp: 690,
  session: 680,
  uids: [33, 33, 33, 33],
  nice: -3,
  policy: 0,
  rtPriority: 0,
  detail: { ...init.detail!, limits: [[1n, 2n]] },
};

interface Given {
  readonly args?: readonly number[];
  readonly blocks?: Readonly<Record<number, Buffer>>;
  readonly uid?: number;
  readonly target?: number;
  readonly compat?: boolean;
}

let sent: SentSignal[];
let processes: GuestProcesses;
let decide: (name: CallStop['name'], given?: Given) => CallDecision;
beforeEach(() => {
  sent = [];
  const guest = fixtureGuest({ processes: () => [init, kernelThread, service] });
  processes = new GuestProcesses(guest);
  const { onCall } = guestAnswers(guest, (signal) => sent.push(signal), processes);
  decide = (name, { args = [], blocks = {}, uid = 0, target, compat = false } = {}) =>
    onCall({
      name,
      pid: 9000,
      compat,
      target,
      int: (index) => args[index] ?? 0,
      isNull: (index) => !blocks[index] && !args[index],
      read: (index, length) => blocks[index]?.subarray(0, length),
      uids: () => [uid, uid],
    }) as CallDecision;
});

const failure = (errno: number) => ({ action: 'fail', errno });
const success = (result = 0) => ({ action: 'answer', result });
const pass = { action: 'continue' };
const told = () => sent.map(({ sender, signal, target }) => [sender, signal, target.pid]);

test('a process that is hidden is not found, nor are its threads', () => {
  processes.hide(new Set([700]));
  expect(decide('kill', { args: [700, 0] })).toEqual(failure(ESRCH));
  expect(decide('tkill', { args: [702, 15] })).toEqual(failure(ESRCH));
  expect(decide('getpgid', { args: [700] })).toEqual(pass);
  expect(decide('kill', { args: [-690, 9] })).toEqual(pass);
  expect(decide('kill', { args: [1, 0] })).toEqual(success());
  expect(told()).toEqual([]);
  processes.hide(new Set());
  expect(decide('kill', { args: [702, 0] })).toEqual(success());
});

describe('signals', () => {
  test('are told and go nowhere; signal 0 only looks', () => {
    expect(decide('kill', { args: [700, 15] })).toEqual(success());
    expect(decide('tkill', { args: [702, 1] })).toEqual(success());
    expect(decide('tgkill', { args: [700, 702, 2] })).toEqual(success());
    expect(decide('kill', { args: [1, 0] })).toEqual(success());
    expect(told()).toEqual([
      [9000, 15, 700],
      [9000, 1, 700],
      [9000, 2, 700],
    ]);
  });

  test('fail as in the kernel', () => {
    expect(decide('kill', { args: [700, 65] })).toEqual(failure(EINVAL));
    expect(decide('kill', { args: [700, -1] })).toEqual(failure(EINVAL));
    expect(decide('kill', { args: [700, 15], uid: 1000 })).toEqual(failure(EPERM));
    expect(decide('kill', { args: [700, 0], uid: 33 })).toEqual(success());
    expect(decide('tgkill', { args: [1, 702, 2] })).toEqual(failure(ESRCH));
    expect(decide('tgkill', { args: [0, 702, 2] })).toEqual(failure(EINVAL));
    expect(told()).toEqual([]);
  });

  test('to a group go to the guest’s, to all to both, to another group to the kernel', () => {
    expect(decide('kill', { args: [-690, 1] })).toEqual(success());
    expect(decide('kill', { args: [-690, 1], uid: 5 })).toEqual(failure(EPERM));
    expect(decide('kill', { args: [-5555, 1] })).toEqual(pass);
    expect(told()).toEqual([[9000, 1, 700]]);
    expect(decide('kill', { args: [-1, 9] })).toEqual(pass);
    expect(told().slice(1)).toEqual([[9000, 9, 700]]);
  });

  test('with data may not pass for another’s', () => {
    const info = Buffer.alloc(128);
    expect(decide('rt_sigqueueinfo', { args: [700, 5], blocks: { 2: info } })).toEqual(failure(EPERM));
    expect(decide('rt_sigqueueinfo', { args: [700, 5] })).toEqual(failure(EFAULT));
    info.writeInt32LE(-1, 8);
    expect(decide('rt_sigqueueinfo', { args: [700, 5], blocks: { 2: info } })).toEqual(success());
    expect(decide('rt_tgsigqueueinfo', { args: [700, 702, 5], blocks: { 3: info } })).toEqual(success());
    expect(told()).toHaveLength(2);
  });

  test('through descriptors', () => {
    expect(decide('pidfd_open', { args: [700, 0o4000] })).toEqual({
      action: 'stand-in',
      pid: 700,
      flags: 0o2004000,
    });
    expect(decide('pidfd_open', { args: [700, 1] })).toEqual(failure(EINVAL));
    expect(decide('pidfd_open', { args: [702, 0] })).toEqual(failure(EINVAL));
    expect(decide('pidfd_send_signal', { args: [5, 12], target: 700 })).toEqual(success());
    expect(decide('pidfd_send_signal', { args: [5, 12, 0, 9], target: 700 })).toEqual(failure(EINVAL));
    expect(decide('pidfd_getfd', { args: [5, 1, 0], target: 700 })).toEqual(failure(EPERM));
    expect(decide('waitid', { args: [3, 5], target: 700 })).toEqual(failure(ECHILD));
    expect(told()).toEqual([[9000, 12, 700]]);
  });
});

describe('attributes', () => {
  test('are the guest’s', () => {
    expect(decide('getpgid', { args: [700] })).toEqual(success(690));
    expect(decide('getsid', { args: [702] })).toEqual(success(680));
    expect(decide('getpriority', { args: [0, 700] })).toEqual(success(23));
    expect(decide('getpriority', { args: [1, 690] })).toEqual(success(23));
    expect(decide('getpriority', { args: [2, 33] })).toEqual(success(23));
    expect(decide('getpriority', { args: [1, 4444] })).toEqual(pass);
    expect(decide('sched_getscheduler', { args: [700] })).toEqual(success(0));
    expect(decide('ioprio_get', { args: [1, 700] })).toEqual(success(0));
    expect(decide('getpgid', { args: [4444] })).toEqual(pass);
  });

  test('that are set are remembered', () => {
    expect(decide('setpriority', { args: [0, 700, 100] })).toEqual(success());
    expect(decide('getpriority', { args: [0, 702] })).toEqual(success(1));
    expect(decide('setpriority', { args: [0, 700, 0], uid: 33 })).toEqual(failure(EACCES));
    expect(decide('setpriority', { args: [0, 700, 19], uid: 7 })).toEqual(failure(EPERM));
    const param = Buffer.from([7, 0, 0, 0]);
    expect(decide('sched_setscheduler', { args: [700, 2], blocks: { 2: param } })).toEqual(success());
    expect(decide('sched_setscheduler', { args: [700, 0], blocks: { 2: param } })).toEqual(failure(EINVAL));
    expect(decide('sched_setscheduler', { args: [700, 2, 0] })).toEqual(failure(EINVAL));
    expect(decide('sched_getparam', { args: [700, 1] })).toEqual({
      ...success(),
      data: { argument: 1, bytes: param },
    });
    const interval = (compat: boolean) => decide('sched_rr_get_interval', { args: [700, 1], compat });
    expect(interval(false)).toMatchObject({ data: { bytes: { length: 16 } } });
    expect(interval(true)).toMatchObject({ data: { bytes: { length: 8 } } });
    expect(decide('ioprio_set', { args: [1, 700, 0x6000] })).toEqual(success());
    expect(decide('ioprio_get', { args: [1, 700] })).toEqual(success(0x6000));
  });

  test('limits', () => {
    const limits = (soft: bigint, hard: bigint) => {
      const bytes = Buffer.alloc(16);
      bytes.writeBigUInt64LE(soft, 0);
      bytes.writeBigUInt64LE(hard, 8);
      return bytes;
    };
    const get = (uid = 0) => decide('prlimit64', { args: [700, 0, 0, 1], uid });
    const set = (bytes: Buffer, uid = 0) => decide('prlimit64', { args: [700], blocks: { 2: bytes }, uid });
    expect(get()).toEqual({ ...success(), data: { argument: 3, bytes: limits(1n, 2n) } });
    expect(get(5)).toEqual(failure(EPERM));
    expect(set(limits(3n, 2n))).toEqual(failure(EINVAL));
    expect(set(limits(1n, 3n), 33)).toEqual(failure(EPERM));
    expect(set(limits(5n, 6n))).toEqual(success());
    expect(get(33)).toMatchObject({ data: { bytes: limits(5n, 6n) } });
    expect(decide('prlimit64', { args: [700, 16, 0, 1] })).toEqual(failure(EINVAL));
  });

  test('CPUs', () => {
    expect(decide('sched_getaffinity', { args: [700, 8, 1] })).toMatchObject(success(8));
    expect(decide('sched_getaffinity', { args: [700, 7, 1] })).toEqual(failure(EINVAL));
    const mask = (byte: number) => ({ args: [700, 1], blocks: { 2: Buffer.of(byte) } });
    expect(decide('sched_setaffinity', mask(3))).toEqual(success());
    expect(decide('sched_setaffinity', mask(2))).toEqual(failure(EINVAL));
  });
});
