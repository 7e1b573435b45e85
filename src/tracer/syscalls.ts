/**
 * The one table of system calls that the engine knows: the filter (bpf.ts) is generated from it, and so is
 * what a user reads about it.
 */

/** Numberings that one kernel can run side by side: native x86-64, its x32 ABI, and 32-bit programs. */
export type Abi = 'x86_64' | 'x32' | 'i386';

/** The bit that marks x32 calls, `__X32_SYSCALL_BIT` in asm/unistd.h. */
export const x32Bit = 0x4000_0000;

/** What the shim does at a stop: `enum oua_trace_answer` in native-shim/trace.h, same numbers. */
export const answers = {
  execve: 1,
  execveat: 2,
  uname: 3,
  oldUname: 4,
  oldoldUname: 5,
  readlink: 6,
  readlinkat: 7,
  personality: 8,
} as const;
export type Answer = keyof typeof answers;

/** What has to be wanted of a run for a row to be in its filter; `always` rows are in every one. */
export type Feature = 'always' | 'exec' | 'uname' | 'hiddenProc';

export type Support = 'full' | 'partial' | 'refused';

export interface SyscallRow {
  readonly name: string;
  /** Call numbers; x32's without its bit. An ABI that lacks the call has none. */
  readonly numbers: Readonly<Partial<Record<Abi, number>>>;
  readonly feature: Feature;
  /** `never`: the filter itself answers. */
  readonly stop: 'entry' | 'exit' | 'never';
  readonly answer:
    | { readonly by: 'constant' | 'handler'; readonly as: Answer }
    | { readonly by: 'errno'; readonly errno: number };
  readonly support: Support;
  readonly note: string;
}

type Numbers = SyscallRow['numbers'];

const numbers = (x86_64: number | undefined, x32: number | undefined, i386: number): Numbers => ({
  ...(x86_64 === undefined ? {} : { x86_64 }),
  ...(x32 === undefined ? {} : { x32 }),
  i386,
});

const row =
  (by: 'constant' | 'handler', stop: 'entry' | 'exit') =>
  (name: string, feature: Feature, as: Answer, nr: Numbers, support: Support, note: string): SyscallRow => ({
    name,
    numbers: nr,
    feature,
    stop,
    answer: { by, as },
    support,
    note,
  });

/** The shim answers at the call's entry, and the kernel does not see the call. */
const constant = row('constant', 'entry');
/** The kernel answers, and the shim corrects the result. */
const corrected = row('constant', 'exit');
/** Held until a handler in JavaScript decides. */
const asked = row('handler', 'entry');

const refused = (name: string, errno: number, nr: Numbers, note: string): SyscallRow => ({
  name,
  numbers: nr,
  feature: 'always',
  stop: 'never',
  answer: { by: 'errno', errno },
  support: 'refused',
  note,
});

const EPERM = 1;
export const ENOSYS = 38;

const unameNote =
  "the guest's names, also after sethostname(2); PER_LINUX32 changes the machine, UNAME26 is not followed";

export const syscalls: readonly SyscallRow[] = [
  asked(
    'execve',
    'exec',
    'execve',
    numbers(59, 520, 11),
    'full',
    'no other call starts a program but execveat(2)',
  ),
  asked(
    'execveat',
    'exec',
    'execveat',
    numbers(322, 545, 358),
    'full',
    'a redirect turns it into a plain path',
  ),
  constant('uname', 'uname', 'uname', numbers(63, 63, 122), 'partial', unameNote),
  constant('olduname', 'uname', 'oldUname', numbers(undefined, undefined, 109), 'partial', unameNote),
  constant('oldolduname', 'uname', 'oldoldUname', numbers(undefined, undefined, 59), 'partial', unameNote),
  corrected(
    'personality',
    'uname',
    'personality',
    numbers(135, 135, 136),
    'full',
    'only looked at, for uname(2)',
  ),
  corrected(
    'readlink',
    'hiddenProc',
    'readlink',
    numbers(89, 89, 85),
    'partial',
    "a buffer shorter than the link's hidden name is left as it is",
  ),
  corrected('readlinkat', 'hiddenProc', 'readlinkat', numbers(267, 267, 305), 'partial', 'as readlink(2)'),
  refused('ptrace', EPERM, numbers(101, 521, 26), 'a tracee has a tracer already'),
  refused('io_uring_setup', ENOSYS, numbers(425, 425, 425), 'its calls would pass by the filter'),
];

/** The rows that a run with these wishes needs. */
export function rowsFor(features: ReadonlySet<Feature>): readonly SyscallRow[] {
  return syscalls.filter((row) => row.feature === 'always' || features.has(row.feature));
}
