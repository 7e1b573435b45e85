/**
 * The one table of system calls that the engine knows: the filter (bpf.ts), what the shim does at a stop, and what a
 * user reads about it are all made from it.
 */
import { constants } from 'node:os';
import { auditRows } from './audit-rows.js';
import { effectRows } from './effect-rows.js';
import { guestRows } from './guest-rows.js';
import { answers, asked, constant, corrected, noted, refused, type Feature, type SyscallRow } from './row.js';
import { packTold } from './told-row.js';

const { EPERM, ENOSYS } = constants.errno;

const unameNote = "the guest's names, also after sethostname(2); PER_LINUX32 and UNAME26 change them as ever";

export const syscalls: readonly SyscallRow[] = [
  asked(
    'execve',
    'exec',
    'execve',
    'full',
    'a handler is asked about programs below execPaths, others are told; only execveat(2) starts programs, too',
  ),
  asked('execveat', 'exec', 'execveat', 'full', 'a redirect turns it into a plain path'),
  noted(
    'seccomp',
    'exec',
    'seccomp',
    'full',
    'only looked at: behind a supervisor an exec may start unseen, so from then on the exit of each is waited for',
    [
      { argument: 0, is: 'equal', value: 1, means: 'operation is SECCOMP_SET_MODE_FILTER' },
      { argument: 1, is: 'anyBitOf', value: 8, means: 'flags has SECCOMP_FILTER_FLAG_NEW_LISTENER' },
    ],
  ),
  constant('uname', 'uname', 'uname', 'full', unameNote),
  constant('olduname', 'uname', 'oldUname', 'full', unameNote),
  constant('oldolduname', 'uname', 'oldoldUname', 'full', unameNote),
  corrected('personality', 'uname', 'personality', 'full', 'only looked at, for uname(2)'),
  constant('sysinfo', 'machine', 'sysinfo', 'full', 'as it was at the suspend; 32-bit programs too'),
  constant(
    'sched_getaffinity',
    'machine',
    'getAffinity',
    'full',
    "the guest's CPUs, or those of them that the thread has chosen",
  ),
  constant(
    'sched_setaffinity',
    'machine',
    'setAffinity',
    'partial',
    "remembered and inherited, but threads go on running on the host's CPUs; of another thread of the run without a look at its owner",
  ),
  ...guestRows,
  corrected(
    'readlink',
    'hiddenProc',
    'readlink',
    'full',
    'links into the hidden procfs only, whatever the size of the buffer',
  ),
  corrected('readlinkat', 'hiddenProc', 'readlinkat', 'full', 'as readlink(2)'),
  ...(['statfs', 'fstatfs'] as const).map((name) =>
    corrected(
      name,
      'hiddenProc',
      'statfs',
      'partial',
      'a FUSE file system has the type of procfs: /proc is one, and so is /sys',
    ),
  ),
  ...(['statfs64', 'fstatfs64'] as const).map((name) =>
    corrected(name, 'hiddenProc', 'statfs64', 'partial', 'as statfs(2), for 32-bit programs'),
  ),
  refused('ptrace', EPERM, 'a tracee has a tracer already'),
  refused('io_uring_setup', ENOSYS, 'its calls would pass by the filter'),
  ...auditRows,
  ...effectRows,
];

/** The rows that a run with these wishes needs; the number of each is its place in `packRows` and in the filter. */
export function rowsFor(features: ReadonlySet<Feature>): readonly SyscallRow[] {
  const rows = syscalls.filter((row) => row.feature === 'always' || features.has(row.feature));
  return rows.map((row) => (row.feature === 'guest' ? alsoTold(row, rows) : row));
}

/** The first row of a call takes it: one that is told otherwise is told by the guest's row, too. */
function alsoTold(row: SyscallRow, rows: readonly SyscallRow[]): SyscallRow {
  const told = rows.find(({ name, feature }) => name === row.name && feature === 'audit')?.told;
  return told ? { ...row, told: { ...told, passedOn: true } } : row;
}

/** What the shim knows of each row: `struct oua_trace_row[]`. */
export function packRows(rows: readonly SyscallRow[]): Buffer {
  return Buffer.from(
    rows.flatMap((row) => [row.answer.by === 'errno' ? 0 : answers[row.answer.as], ...packTold(row.told)]),
  );
}
