/** What the benchmark and the process that runs the engine for it say to each other. */

export interface Job {
  readonly command: readonly string[];
  readonly armed: 'at-once' | 'later';
  /** Whether the full record is wanted. */
  readonly audit: boolean;
}

export type Order =
  { readonly type: 'go'; readonly job: Job } | { readonly type: 'arm'; readonly pid: number };

export interface Ended {
  readonly type: 'ended';
  readonly exitStatus: number;
  /** `VmHWM` of this process. */
  readonly peakBytes: number;
  /** What the engine counted, how often its handlers were called, and what processor time it took. */
  readonly counts: Readonly<Record<string, number>>;
}

export type Report =
  | { readonly type: 'ready' }
  | { readonly type: 'armed' }
  | Ended
  | { readonly type: 'failed'; readonly message: string };
