import type { AuditEvent, AuditKind } from '../plan/audit-event.js';
import type { Execution } from '../plan/model.js';
import type { PlanReader } from '../plan/reader.js';
import { signalName } from './signals.js';
import { scriptRows, text } from './summary.js';

/** Which events of a full record are wanted; all of what is given must hold. */
export interface AuditFilter {
  readonly package?: string | undefined;
  /** The number of a script step, or `<package>.<kind>`. */
  readonly script?: string | undefined;
  readonly kind?: AuditKind | undefined;
  /** How the path, or the other path of two, begins. */
  readonly path?: string | undefined;
}

/** One event as the reports print it. */
export interface AuditRow {
  readonly kind: AuditKind;
  readonly command: number;
  readonly pid: number;
  /** `<package>.<kind>` of the script that it belongs to, and its step. */
  readonly script?: string;
  readonly step?: number;
  readonly package?: string;
  readonly path?: string;
  readonly other?: string;
  /** `exec`. */
  readonly argv?: readonly string[];
  /** The rest in one line for people. */
  readonly what: string;
}

/** The full event record in order, events that are not wanted left out. */
export function auditRows(plan: PlanReader, filter: AuditFilter = {}): AuditRow[] {
  const scripts = new Map(scriptRows(plan.steps()).map((row) => [row.step, `${row.package}.${row.kind}`]));
  const executions = [...plan.executions()];
  return [...plan.auditEvents()].flatMap((event) => {
    const row = rowOf(event, scripts, executions);
    return isWanted(row, filter) ? [row] : [];
  });
}

function isWanted(row: AuditRow, { package: name, script, kind, path }: AuditFilter): boolean {
  return (
    (name === undefined || row.package === name) &&
    (script === undefined || row.script === script || String(row.step) === script) &&
    (kind === undefined || row.kind === kind) &&
    (path === undefined || [row.path, row.other].some((each) => each?.startsWith(path) === true))
  );
}

function rowOf(
  event: AuditEvent,
  scripts: ReadonlyMap<number, string>,
  executions: readonly Execution[],
): AuditRow {
  const { path, other, execution, step, ...rest } = event;
  const ran = execution === undefined ? undefined : executions[execution];
  const script = step === undefined ? undefined : scripts.get(step);
  const file = ran?.path ?? path;
  const row = {
    ...rest,
    ...(step !== undefined && { step }),
    ...(script !== undefined && { script }),
    ...(file && { path: text(file) }),
    ...(other && { other: text(other) }),
    ...(ran && { argv: ran.argv.map(text) }),
  };
  return { ...row, what: describe(event, ran) };
}

const octal = (mode: number | undefined) => (mode ?? 0).toString(8).padStart(4, '0');

const failure = ({ errno }: AuditEvent) => (errno ? ` (errno ${errno})` : '');

function describe(event: AuditEvent, ran: Execution | undefined): string {
  const path = event.path ? text(event.path) : '';
  const other = event.other ? text(event.other) : '';
  switch (event.kind) {
    case 'exec':
      return ran ? ran.argv.map(text).join(' ') : '';
    case 'rename':
      return `${other} -> ${path}`;
    case 'link':
    case 'symlink':
      return `${path} -> ${other}`;
    case 'truncate':
      return `${path} to ${event.size ?? 0} bytes`;
    case 'mkdir':
    case 'mknod':
    case 'mode':
      return `${path} ${octal(event.mode)}`;
    case 'owner':
      return `${path} ${event.uid ?? ''}:${event.gid ?? ''}`;
    case 'xattr':
    case 'xattr-removed':
      return `${path} ${other}`;
    case 'connect':
    case 'bind': {
      const where = event.host === undefined ? path : `${event.host} port ${event.port ?? 0}`;
      return `${event.family} ${where}${failure(event)}`;
    }
    case 'effect':
      return `${event.call}(2)${failure(event)}`;
    case 'netlink':
      return `${event.call}(2) of message ${event.message}${failure(event)}`;
    case 'signal':
      return `${signalName(event.signal ?? 0)} to ${event.target}`;
    case 'open-write':
    case 'create':
    case 'remove':
      return path;
  }
}
