/** A row of the table of system calls, and the constructors that say how well a call is supported. */
import type { SyscallName } from './numbers.js';
import type { Told } from './told-row.js';

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
  sysinfo: 9,
  getAffinity: 10,
  setAffinity: 11,
  told: 12,
  kill: 13,
  process: 14,
  thread: 15,
  priority: 16,
  ioPriority: 17,
  pidfdOpen: 18,
  pidfd: 19,
  pidfdWait: 20,
  seccomp: 21,
  statfs: 22,
  statfs64: 23,
} as const;
export type Answer = keyof typeof answers;

/** What has to be wanted of a run for a row to be in its filter, as readers of the table are told it. */
export const features = {
  always: 'in every run',
  exec: "in runs with `onExec`, `onEvent` or `armed: 'later'`",
  uname: 'in runs with `uname`',
  machine: 'in runs with `machine`',
  guest: 'in runs with `onCall`',
  hiddenProc: 'in runs with `hiddenProc`',
  connect: 'in runs with `connects` or `audit`',
  audit: 'in runs with `audit`',
  effects: 'in runs with `effects`',
} as const;
export type Feature = keyof typeof features;

export const supportLevels = ['full', 'partial', 'refused'] as const;
export type Support = (typeof supportLevels)[number];

/**
 * A numeric test of an argument that the filter makes, so that other calls of that number never stop. It looks at
 * the argument's low 32 bits: what the kernel takes for an int.
 */
export interface Condition {
  /** From 0. */
  readonly argument: number;
  readonly is: 'equal' | 'notEqual' | 'anyBitOf';
  readonly value: number;
  /** The test in words, where the number does not say it: `flags has O_WRONLY|O_RDWR`. */
  readonly means?: string;
}

export interface SyscallRow {
  readonly name: SyscallName;
  readonly feature: Feature;
  /** `never`: the filter itself answers. */
  readonly stop: 'entry' | 'exit' | 'both' | 'never';
  /** All must hold. A call whose conditions do not hold is tried against later rows of the same name. */
  readonly when: readonly Condition[];
  readonly answer:
    /** The shim knows the answer. */
    | { readonly by: 'constant'; readonly as: Answer }
    /** The kernel; the shim looks at the call on its way. */
    | { readonly by: 'kernel'; readonly as: Answer }
    /** JavaScript decides while the caller stands still. */
    | { readonly by: 'handler'; readonly as: Answer }
    | { readonly by: 'errno'; readonly errno: number };
  readonly support: Support;
  readonly note: string;
  /** Of the answer `told`: how it is read. */
  readonly told?: Told;
}

type Make = (
  name: SyscallName,
  feature: Feature,
  as: Answer,
  support: Support,
  note: string,
  when?: readonly Condition[],
) => SyscallRow;

const row =
  (by: 'constant' | 'kernel' | 'handler', stop: 'entry' | 'exit' | 'both'): Make =>
  (name, feature, as, support, note, when = []) => ({
    name,
    feature,
    stop,
    when,
    answer: { by, as },
    support,
    note,
  });

/** The shim answers at the call's entry, and the kernel does not see the call. */
export const constant = row('constant', 'entry');
/** The kernel answers, and the shim corrects or notes the result. */
export const corrected = row('kernel', 'exit');
/** The shim takes note of the call at its entry, and the kernel answers. */
export const noted = row('kernel', 'entry');
/** Held until a handler in JavaScript decides. */
export const asked = row('handler', 'both');

/** The kernel answers; what was given and what came of it is told. */
export const told = (
  name: SyscallName,
  feature: Feature,
  note: string,
  reads: Told,
  when: readonly Condition[] = [],
  support: Support = 'full',
): SyscallRow => ({
  ...{ name, feature, stop: 'both', when, support, note },
  answer: { by: 'kernel', as: 'told' },
  told: reads,
});

/** The filter answers with an errno. */
export const refused = (name: SyscallName, errno: number, note: string): SyscallRow => ({
  name,
  feature: 'always',
  stop: 'never',
  when: [],
  answer: { by: 'errno', errno },
  support: 'refused',
  note,
});
