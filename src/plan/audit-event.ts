/** The full event record of a plan that was made with it: what happened offline, in order. */
import type { z } from 'zod';
import type { rows } from './schema.js';

/** What an event says was done. */
export const auditKinds = [
  'exec',
  'open-write',
  'create',
  'truncate',
  'rename',
  'link',
  'symlink',
  'remove',
  'mkdir',
  'mknod',
  'mode',
  'owner',
  'xattr',
  'xattr-removed',
  'connect',
  'bind',
  'signal',
  'effect',
  'netlink',
] as const;
export type AuditKind = (typeof auditKinds)[number];

/** What an event may say beside who did it; which of it an event has depends on its kind. */
export interface AuditDetails {
  /** `exec`: index into the executions, which have path and argv. */
  readonly execution?: number;
  /**
   * The file that was changed, or its new name; `connect`, `bind`: the path or the abstract name of a unix socket. Bytes;
   * what a descriptor without a path stands for is as /proc has it: `pipe:[1234]`.
   */
  readonly path?: Buffer;
  /** `rename`: the old name; `link`: the other name; `symlink`: the target; `xattr`: the attribute. */
  readonly other?: Buffer;
  /** As given; `mknod`: with the type, mknod(2). */
  readonly mode?: number;
  /** Absent: left as it was. */
  readonly uid?: number;
  readonly gid?: number;
  /** `open-write`, `create`: `O_*`; `rename`: `RENAME_*`; as the kernel of x86-64 numbers them. */
  readonly flags?: number;
  /** `truncate`: bytes. */
  readonly size?: number;
  readonly major?: number;
  readonly minor?: number;
  /** `unix`, `abstract`, `inet`, `inet6`, `netlink`, or the number of another address family. */
  readonly family?: string;
  readonly host?: string;
  readonly port?: number;
  /** `connect`, `bind`, `effect`, `netlink`: 0, or why it failed. */
  readonly errno?: number;
  /** `signal`: whom, as kill(2) takes it. */
  readonly target?: number;
  readonly signal?: number;
  /** `effect`, `netlink`: the name of the system call. */
  readonly call?: string;
  /** `netlink`: `nlmsg_type` of linux/netlink.h. */
  readonly message?: number;
}

export interface AuditEvent extends AuditDetails {
  readonly kind: AuditKind;
  /** Index into the commands. */
  readonly command: number;
  /** Who did it, as in `Execution`. */
  readonly pid: number;
  /** The script step whose script, or a descendant of it, did it. */
  readonly step?: number;
  /** The package that it was done for, as far as that is known. */
  readonly package?: string;
}

/** Columns of `audit_event` that are the event's members of the same name. */
const columns = [
  ...['kind', 'command', 'pid', 'step', 'package', 'execution', 'path', 'other', 'mode', 'uid', 'gid'],
  ...['flags', 'size', 'major', 'minor', 'family', 'host', 'port', 'errno', 'target', 'signal'],
  ...['call', 'message'],
] as readonly (keyof AuditEvent)[];

export type AuditRow = z.infer<typeof rows.auditEvent>;

/** The event as its row, without the number. */
export function auditRow(event: AuditEvent): Record<string, unknown> {
  return Object.fromEntries(columns.map((column) => [column, event[column] ?? null]));
}

export function auditEvent(row: AuditRow): AuditEvent {
  const present = Object.entries(row).filter(([, value]) => value !== null);
  // Each member has the type of its column; what is NULL is absent.
  return Object.fromEntries(present) as unknown as AuditEvent;
}
