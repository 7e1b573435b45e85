/** The rows of calls that name a process: those of the guest are asked about, those of the run are the kernel's. */
import type { SyscallName } from './numbers.js';
import { asked, type Answer, type Condition, type Support, type SyscallRow } from './row.js';

/** 0 is the caller itself. */
const ofOthers = (argument: number): readonly Condition[] => [
  { argument, is: 'notEqual', value: 0, means: `argument ${argument} is not 0` },
];

/** Kinds of getpriority(2) and ioprio_get(2), linux/resource.h and linux/ioprio.h. */
const PRIO_USER = 2;
const IOPRIO_WHO_USER = 3;
/** Kind of waitid(2). */
const P_PIDFD = 3;

const guest = (
  name: SyscallName,
  as: Answer,
  support: Support,
  note: string,
  when: readonly Condition[] = [],
): SyscallRow => asked(name, 'guest', as, support, note, when);

const byPid = (name: SyscallName, support: Support, note: string) =>
  guest(name, 'process', support, note, ofOthers(0));

/** A user is asked about also when it is the caller's own, 0. */
const byKind = (name: SyscallName, as: Answer, user: number, support: Support, note: string) => [
  guest(name, as, support, note, ofOthers(1)),
  guest(name, as, support, note, [
    { argument: 0, is: 'equal', value: user, means: 'argument 0 names a user' },
    { argument: 1, is: 'equal', value: 0, means: 'argument 1 is 0' },
  ]),
];

const signalNote =
  'to a process of the guest it is recorded and goes nowhere; effective uid 0 may signal all';
const remembered = 'of a process of the guest it is remembered for the rest of the run and changes nothing';
const asSuspended = 'of a process of the guest as it was at the suspend';

export const guestRows: readonly SyscallRow[] = [
  guest(
    'kill',
    'kill',
    'partial',
    `${signalNote}; kill(-1) reaches the run's processes and is recorded for the guest's`,
    ofOthers(0),
  ),
  guest('tkill', 'process', 'partial', signalNote),
  guest('tgkill', 'thread', 'partial', signalNote),
  guest('rt_sigqueueinfo', 'process', 'partial', `${signalNote}; its value is not recorded`),
  guest('rt_tgsigqueueinfo', 'thread', 'partial', `${signalNote}; its value is not recorded`),
  guest(
    'pidfd_open',
    'pidfdOpen',
    'partial',
    'of a process of the guest a signalfd that never becomes readable: to be told by its name in /proc and by ioctl(2)',
  ),
  guest('pidfd_send_signal', 'pidfd', 'partial', `${signalNote}; not by a directory of /proc`),
  guest(
    'pidfd_getfd',
    'pidfd',
    'partial',
    'EPERM of a process of the guest, also for root: its files are not there',
  ),
  guest('waitid', 'pidfdWait', 'full', 'ECHILD of a process of the guest: it is no child', [
    { argument: 0, is: 'equal', value: P_PIDFD, means: 'argument 0 is P_PIDFD' },
  ]),
  byPid('getpgid', 'full', asSuspended),
  byPid('getsid', 'full', asSuspended),
  ...byKind(
    'getpriority',
    'priority',
    PRIO_USER,
    'partial',
    `${asSuspended}; of a user, the best of the guest's processes only`,
  ),
  ...byKind('setpriority', 'priority', PRIO_USER, 'partial', remembered),
  byPid('sched_getscheduler', 'full', asSuspended),
  byPid('sched_setscheduler', 'partial', remembered),
  byPid('sched_getparam', 'full', asSuspended),
  byPid('sched_setparam', 'partial', remembered),
  byPid('sched_getattr', 'partial', `${asSuspended}; without deadlines and utilisation clamps`),
  byPid('sched_setattr', 'partial', `${remembered}; without deadlines and utilisation clamps`),
  byPid('sched_rr_get_interval', 'partial', 'of a process of the guest, the default of its policy'),
  byPid('sched_rr_get_interval_time64', 'partial', 'as sched_rr_get_interval(2)'),
  byPid('prlimit64', 'partial', `${asSuspended}; new limits are remembered for the rest of the run`),
  ...byKind(
    'ioprio_get',
    'ioPriority',
    IOPRIO_WHO_USER,
    'partial',
    'of a process of the guest, none unless it was set in the same run',
  ),
  ...byKind('ioprio_set', 'ioPriority', IOPRIO_WHO_USER, 'partial', remembered),
];
