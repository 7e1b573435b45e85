/** The guest's processes as calls on them find them. */
import { constants } from 'node:os';
import type { Guest, Process } from '../guest/guest.js';
import type { CallDecision, CallStop } from '../tracer/tracer.js';

/** A resource limit, getrlimit(2). */
export type Limit = readonly [soft: bigint, hard: bigint];

/** What calls may have changed of a process. Nothing but later calls of the same plan sees it. */
export interface Attributes {
  nice: number;
  policy: number;
  rtPriority: number;
  /** As ioprio_get(2) packs it. */
  ioPriority: number;
  affinity: Buffer | undefined;
  /** By their numbers. */
  readonly limits: Limit[];
}

export interface GuestProcess {
  readonly process: Process;
  readonly attributes: Attributes;
}

/** `IOPRIO_DEFAULT`, linux/ioprio.h: no class. */
const IOPRIO_DEFAULT = 0;

export class GuestProcesses {
  readonly #byPid = new Map<number, GuestProcess>();
  #hidden: ReadonlySet<number> = new Set();

  constructor(guest: Pick<Guest, 'processes'>) {
    for (const process of guest.processes()) {
      const { nice, policy, rtPriority, detail } = process;
      const limits = [...(detail?.limits ?? [])];
      const attributes = {
        nice,
        policy,
        rtPriority,
        ioPriority: IOPRIO_DEFAULT,
        affinity: undefined,
        limits,
      };
      for (const tid of [process.pid, ...(process.tids ?? [])]) this.#byPid.set(tid, { process, attributes });
    }
  }

  /** All numbers that mean one of them: threads, too. */
  get pids(): readonly number[] {
    return [...this.#byPid.keys()];
  }

  /** From now on these are not found, and no others are hidden. */
  hide(pids: ReadonlySet<number>): void {
    this.#hidden = pids;
  }

  find(pid: number): GuestProcess | undefined {
    const found = this.#byPid.get(pid);
    return found && this.#hidden.has(found.process.pid) ? undefined : found;
  }

  all(): GuestProcess[] {
    const leaders = [...this.#byPid].filter(([pid, { process }]) => pid === process.pid);
    return leaders.map(([, found]) => found).filter(({ process }) => !this.#hidden.has(process.pid));
  }
}

export const fail = (name: keyof typeof constants.errno): CallDecision => ({
  action: 'fail',
  errno: constants.errno[name],
});
export const answer = (result: number, argument?: number, bytes?: Uint8Array): CallDecision => ({
  action: 'answer',
  result,
  ...(argument !== undefined && bytes && { data: { argument, bytes } }),
});
export const pass: CallDecision = { action: 'continue' };

/**
 * Whether a caller may act on a process: as root, or with its real or effective user among the target's as `which`
 * says. Root of the guest has every capability; that of the sandbox lacks some.
 */
export function mayActOn(call: CallStop, { uids }: Process, which: 'signal' | 'schedule' | 'limit'): boolean {
  const [real, effective] = call.uids();
  const [targetReal, targetEffective, targetSaved] = uids;
  if (effective === 0) return true;
  if (which === 'schedule') return [targetReal, targetEffective].includes(effective);
  if (which === 'limit') return uids.slice(0, 3).every((uid) => uid === real);
  return [effective, real].some((uid) => uid === targetReal || uid === targetSaved);
}
