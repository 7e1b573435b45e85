/** What becomes of a program that may touch the running system. */

/** A program that an update is about to run. Words are latin1, which keeps every byte. */
export interface ProgramCall {
  /** Name of the program: the last component of its path. */
  readonly name: string;
  /** Absolute, as given. */
  readonly path: string;
  readonly argv: readonly string[];
  /** `NAME=value` */
  readonly environment: readonly string[];
  /** Whether nobody reads its standard output: that is `/dev/null`. */
  readonly discards: boolean;
}

/** A file that a program makes for this machine alone. */
export interface Secret {
  /** As the program was given it. */
  readonly path: string;
  /** Permission bits that the program leaves it with, as root's; undefined: not known. */
  readonly mode?: number;
}

export type Verdict =
  /** It runs offline and nowhere else: all that it does is in files. `argv`: other arguments for that. */
  | { readonly kind: 'files'; readonly argv?: readonly string[] }
  /** It asks about the running system: its caller is given this answer, and it does not run. */
  | { readonly kind: 'answer'; readonly status: number; readonly output: string; readonly errors: string }
  /** It acts on the running system: its caller is told success, and it runs in the guest at the replay. */
  | { readonly kind: 'live' }
  /**
   * It does both: it runs offline, perhaps with other arguments, and afterwards each of `actions` runs in the guest:
   * argvs of the same program. What it writes to `secrets` stays offline: the guest makes its own.
   * `done`: only when it ends well are there actions, and this is called first.
   */
  | {
      readonly kind: 'both';
      readonly argv?: readonly string[];
      readonly actions: readonly (readonly string[])[];
      readonly secrets?: readonly Secret[];
      readonly done?: () => void;
    }
  /** What it does or asks cannot be told apart: the script that runs it has to run in the guest, whole. */
  | { readonly kind: 'whole'; readonly reason: string };

export const files = (argv?: readonly string[]): Verdict => ({ kind: 'files', ...(argv && { argv }) });
export const live: Verdict = { kind: 'live' };
export const whole = (reason: string): Verdict => ({ kind: 'whole', reason });
export const answer = (status: number, output = '', errors = ''): Verdict => ({
  kind: 'answer',
  status,
  output,
  errors,
});
