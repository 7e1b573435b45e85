/** A process of the traced tree at one of its execve(2) calls; it stands still until the handler returns. */
export interface ExecStop {
  /** Pids as the host's root namespace numbers them. */
  readonly pid: number;
  readonly parent: number;
  /** Path as given (raw bytes), argv, environment, working directory as seen by the tracee. */
  readonly path: Buffer;
  readonly argv: readonly Buffer[];
  readonly environment: readonly Buffer[];
  readonly cwd: Buffer;
}

/** What to do with an execve: let it go on, run another program with the same argv, or fail it with an errno. */
export type ExecDecision =
  | { readonly action: 'continue' }
  | { readonly action: 'redirect'; readonly path: string }
  | { readonly action: 'fail'; readonly errno: number };
