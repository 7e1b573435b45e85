/** How the shim reads a call that is told: what `struct oua_trace_row` in native-shim/trace.h says of one. */

/** The kinds of a call event: what the call did, whichever variant it was made by. */
export type CallKind =
  | 'open-write'
  | 'create'
  | 'truncate'
  | 'rename'
  | 'link'
  | 'symlink'
  | 'remove'
  | 'mkdir'
  | 'mknod'
  | 'mode'
  | 'owner'
  | 'xattr'
  | 'connect'
  | 'bind'
  | 'signal'
  | 'effect'
  | 'netlink';

/** Numbers that a call is given and that an event shows. */
export type NumberName = 'mode' | 'uid' | 'gid' | 'flags' | 'device' | 'size' | 'target' | 'signal';

/** All numbers are those of arguments, from 0. */
export interface Told {
  readonly kind: CallKind;
  /** In the order in which they are told. `directory`: the descriptor that a relative path starts from. */
  readonly paths?: readonly { readonly argument: number; readonly directory?: number }[];
  /** The first path's last name is followed when it is a symbolic link. */
  readonly follows?: true;
  /** `AT_SYMLINK_(NO)FOLLOW` for the first path. */
  readonly atFlags?: number;
  /** A descriptor whose path is told. */
  readonly descriptor?: number;
  /** A string that is told as it is. */
  readonly text?: number;
  /** Bytes that are told; their number is in the next argument. */
  readonly block?: number;
  /** The result is a descriptor. Where the flags are: an argument, the block, or in the call's own meaning. */
  readonly opens?: number | 'block' | 'creat';
  /** Told as well when it fails. */
  readonly errors?: true;
  /** Told as well when its caller dies in it. */
  readonly deadly?: true;
  /** The arguments are 32-bit words at argument 1. */
  readonly words?: true;
  /** Argument 0 is a pidfd; what is told is its process. */
  readonly pidfd?: true;
  /** The row's own answer comes first; what it leaves to the kernel is told. */
  readonly passedOn?: true;
  readonly numbers?: { readonly [name in NumberName]?: number };
}

/** `enum oua_trace_row_flags`. */
const rowFlags = {
  follows: 1,
  opens: 2,
  blockFlags: 4,
  errors: 8,
  deadly: 16,
  words: 32,
  pidfd: 64,
  passedOn: 128,
} as const;

const flagsOf = (told: Told): number =>
  (told.follows ? rowFlags.follows : 0) |
  (told.opens === undefined ? 0 : rowFlags.opens) |
  (told.opens === 'block' ? rowFlags.blockFlags : 0) |
  (told.errors ? rowFlags.errors : 0) |
  (told.deadly ? rowFlags.deadly : 0) |
  (told.words ? rowFlags.words : 0) |
  (told.pidfd ? rowFlags.pidfd : 0) |
  (told.passedOn ? rowFlags.passedOn : 0);

/** `enum oua_trace_call_flags`. */
export const callFlags = { created: 1, i386: 2 } as const;

/** Everything of a `struct oua_trace_row` but its answer, in order. */
export function packTold(told: Told | undefined): readonly number[] {
  const [first, second] = told?.paths ?? [];
  return [
    told ? flagsOf(told) : 0,
    ...[first?.argument, second?.argument, first?.directory, second?.directory, told?.atFlags]
      .concat(typeof told?.opens === 'number' ? told.opens : undefined)
      .concat(told?.descriptor, told?.text, told?.block)
      .map((argument) => argument ?? -1),
  ];
}
