import { types } from 'node:util';

/**
 * Every way this program refuses or fails: a stable code, the process exit status it leads to, and what
 * happened in one line. Codes are part of the public interface: scripts match on them.
 */
export const exitStatus = {
  done: 0,
  failed: 1,
  usage: 2,
  /** The plan does not fit the guest (any more): re-plan. */
  stale: 3,
  /** The guest, or its state at the suspend, is one that we refuse to work on. */
  unsupportedGuest: 4,
  /** The replay failed inside the guest and the guest was rolled back. */
  rolledBack: 5,
  /** A plan or profile file that is damaged or from a newer program. */
  badFile: 6,
  /** The update itself failed offline; the guest is untouched. */
  updateFailed: 7,
  /** A missing program or right of this host; `doctor` tells more. */
  hostUnready: 8,
  /** The replay failed inside the guest and stopped there, as its operator chose: the guest is between two states. */
  stopped: 9,
  interrupted: 130,
} as const;

export const errorCodes = {
  USAGE: exitStatus.usage,
  INTERNAL: exitStatus.failed,
  INTERRUPTED: exitStatus.interrupted,
  HOST_FAILED: exitStatus.failed,
  DISK_FULL: exitStatus.failed,

  NOT_ROOT: exitStatus.hostUnready,
  PROGRAM_MISSING: exitStatus.hostUnready,
  SHIM_MISSING: exitStatus.hostUnready,
  SHIM_MISMATCH: exitStatus.hostUnready,
  HOST_UNSUPPORTED: exitStatus.hostUnready,

  FILE_MISSING: exitStatus.failed,
  FILE_EXISTS: exitStatus.failed,
  /** A path that the guest does not have. */
  NO_SUCH_FILE: exitStatus.failed,
  /** What is asked for is not in the memory image: swapped out, or never read from the disk. */
  NOT_IN_MEMORY: exitStatus.failed,

  MEMORY_FORMAT: exitStatus.unsupportedGuest,
  MEMORY_TRUNCATED: exitStatus.unsupportedGuest,
  MEMORY_HOLE: exitStatus.unsupportedGuest,
  KERNEL_NOT_FOUND: exitStatus.unsupportedGuest,
  KERNEL_NO_BTF: exitStatus.unsupportedGuest,
  /** A file that is no kernel which a profile can be built from. */
  KERNEL_FILE: exitStatus.failed,
  KERNEL_UNSUPPORTED: exitStatus.unsupportedGuest,
  PROFILE_MISMATCH: exitStatus.unsupportedGuest,
  PROFILE_INVALID: exitStatus.badFile,
  GUEST_INCONSISTENT: exitStatus.unsupportedGuest,

  DISK_FORMAT: exitStatus.unsupportedGuest,
  DISK_DAMAGED: exitStatus.unsupportedGuest,
  GUEST_MISMATCH: exitStatus.unsupportedGuest,
  GUEST_BUSY: exitStatus.unsupportedGuest,
  /** What the plan would be made from is in the guest's memory only, and not on its disk. */
  GUEST_UNSYNCED: exitStatus.unsupportedGuest,
  GUEST_UNSUPPORTED: exitStatus.unsupportedGuest,

  UPDATE_FAILED: exitStatus.updateFailed,
  TRACE_FAILED: exitStatus.failed,
  SANDBOX_FAILED: exitStatus.failed,

  PLAN_DAMAGED: exitStatus.badFile,
  PLAN_NEWER: exitStatus.badFile,
  PLAN_INCOMPLETE: exitStatus.badFile,

  WRONG_GUEST: exitStatus.stale,
  PLAN_STALE: exitStatus.stale,
  VM_NOT_PAUSED: exitStatus.failed,
  VM_UNREACHABLE: exitStatus.failed,
  /** QEMU or the guest agent answered a request with an error. */
  VM_REFUSED: exitStatus.failed,
  AGENT_FAILED: exitStatus.failed,
  ROLLED_BACK: exitStatus.rolledBack,
  /** The plan and the guest have changed the same record of a database, differently. */
  MERGE_CONFLICT: exitStatus.rolledBack,
  /** With `apply --on-failure stop`: a script or a live action failed, and what was done before it stays. */
  STOPPED: exitStatus.stopped,
} as const;

export type ErrorCode = keyof typeof errorCodes;

export interface OuaErrorOptions {
  readonly cause?: unknown;
  /** What the program that failed said last, lines and all. It is the guest's: not to be trusted, nor to be printed as it is. */
  readonly output?: string | undefined;
}

/** An error that a user is meant to read: what failed, by name, and what to do about it. */
export class OuaError extends Error {
  readonly code: ErrorCode;
  readonly hint: string;
  readonly output: string | undefined;

  constructor(code: ErrorCode, message: string, hint: string, options?: OuaErrorOptions) {
    super(message, options);
    this.name = 'OuaError';
    this.code = code;
    this.hint = hint;
    this.output = options?.output;
  }

  get exitStatus(): number {
    return errorCodes[this.code];
  }
}

/** The errno name of a Node system error (`'ENOENT'`, …), or undefined for any other value. */
export function errnoOf(error: unknown): string | undefined {
  // Not `instanceof`: Node's own errors may come from another realm than this module (jest runs tests in one).
  return types.isNativeError(error) && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;
}
