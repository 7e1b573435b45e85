/** How a program in a copy ended. */
export interface Exit {
  /** As a shell shows it. */
  readonly exitStatus: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** A copy of a guest, which goes on from where the guest was suspended. */
export interface Copy extends AsyncDisposable {
  /** Nanoseconds since the epoch, by its own clock, when it went on: later times in it are of its own doing. */
  readonly begun: bigint;
  /** Runs a program in it, as root. One that fails is not an error. */
  run(argv: readonly string[], environment?: Readonly<Record<string, string>>): Promise<Exit>;
  /**
   * Ends it, everything that it wrote being written, and returns where its files are. They are there until the copy
   * is disposed of.
   */
  end(): Promise<string>;
}

/** A suspended guest that copies are made of. */
export interface Original extends AsyncDisposable {
  /** What to plan with. */
  readonly disk: string;
  readonly memory: string;
  /** A copy to run a command in. */
  reference(): Promise<Copy>;
  /** A copy that a plan was applied to. `seconds`: how long that took, online. */
  candidate(plan: string): Promise<{ readonly copy: Copy; readonly seconds: number }>;
}
