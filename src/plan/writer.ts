import { createHash, randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { errnoOf, OuaError } from '../base/errors.js';
import { auditRow, type AuditEvent } from './audit-event.js';
import { sqliteCode } from './check.js';
import { digestPlan } from './digest.js';
import type {
  ConffileDecision,
  ContentId,
  DebconfQuestion,
  Execution,
  FileChange,
  GuestSignal,
  LiveAction,
  Note,
  PackageChange,
  PlanHeader,
  Precondition,
  ProcRead,
  ScriptCall,
  Step,
} from './model.js';
import { pack, type ContentSource, type Packed } from './packing.js';
import { applicationId, formatVersion, tables } from './schema.js';

/** A transaction this big is committed; the next write opens another. */
const batchOperations = 20_000;
const batchBytes = 64 << 20;

/** Everything that makes up the steps. */
const stepTables = [
  ...['file_xattr', 'file_output', 'file_change', 'script_argument', 'script_environment'],
  ...['action_argument', 'action_environment', 'live_action', 'script_call', 'step'],
];
/** What names a step beside them. */
const stepReferences = [
  ['signal', 'after_step'],
  ['audit_event', 'step'],
] as const;

/** Stands for the exit status of a command until it ends; no process can have it. */
const notEnded = -1;

/**
 * Writes a plan beside its final name and renames it when it is complete. A plan that is not finished
 * (disposed, abandoned) leaves nothing; one whose writer was killed leaves a file that readers refuse.
 */
export class PlanWriter implements AsyncDisposable {
  readonly #path: string;
  readonly #partial: string;
  readonly #database: Database.Database;
  readonly #statements = new Map<string, Database.Statement>();
  readonly #contents = new Map<ContentId, number>();
  readonly #counts = {
    ...{ command: 0, step: 0, execution: 0, signal: 0, auditEvent: 0 },
    ...{ conffile: 0, debconfQuestion: 0, note: 0 },
  };
  #operations = 0;
  #bytes = 0;
  #open = true;

  private constructor(path: string, partial: string, database: Database.Database) {
    this.#path = path;
    this.#partial = partial;
    this.#database = database;
  }

  /**
   * Begins a plan. The file is readable by its owner only: a plan holds the guest's files.
   *
   * @throws OuaError `FILE_EXISTS` when `path` is taken, `FILE_MISSING` when its directory is not there.
   */
  static create(path: string, header: PlanHeader): PlanWriter {
    if (existsSync(path))
      throw new OuaError('FILE_EXISTS', `${path} exists`, 'choose another name, or remove the file');
    const partial = `${path}.${randomBytes(4).toString('hex')}.partial`;
    createEmpty(partial, path);
    const database = new Database(partial);
    try {
      database.pragma(`application_id = ${applicationId}`);
      database.pragma(`user_version = ${formatVersion}`);
      // Nothing of the file counts until finish(), which makes it durable as a whole. (OFF is refused in SQLite's defensive mode.)
      database.pragma('journal_mode = MEMORY');
      database.pragma('synchronous = OFF');
      database.pragma('locking_mode = EXCLUSIVE');
      database.pragma('foreign_keys = ON');
      const writer = new PlanWriter(path, partial, database);
      for (const definition of Object.values(tables)) database.exec(definition);
      database.exec('BEGIN');
      writer.#header(header);
      // Whoever finds the file of a writer that was killed can tell what it is.
      database.exec('COMMIT; BEGIN');
      return writer;
    } catch (error) {
      database.close();
      removePartial(partial);
      throw error;
    }
  }

  /** Appends a command that begins now. Returns its index, which script calls and executions name. */
  beginCommand(argv: readonly string[]): number {
    const number = this.#counts.command++;
    this.#insert('command', { number, exit_status: notEnded, seconds: 0 });
    this.#insertList('command_argument', 'command', number, argv);
    return number;
  }

  /** Notes how a command ended. */
  endCommand(number: number, exitStatus: number, seconds: number): void {
    this.#write(() => {
      this.#database
        .prepare('UPDATE command SET exit_status = ?, seconds = ? WHERE number = ?')
        .run(exitStatus, seconds, number);
    });
  }

  /** Adds packages that changed. Each name and architecture may come once. */
  packages(changes: readonly PackageChange[]): void {
    for (const change of changes)
      this.#insert('package', {
        name: change.name,
        architecture: change.architecture,
        version_from: change.from ?? null,
        version_to: change.to ?? null,
      });
  }

  /** Whether a content is stored, or is being stored. */
  hasContent(id: ContentId): boolean {
    return this.#contents.has(id);
  }

  /**
   * Stores a content once; a second call with the same id reads nothing. Must come before the step that
   * uses it. At most a few chunks are in memory at a time.
   *
   * @throws OuaError `TRACE_FAILED` when the bytes are not those that `id` and `size` name: the file changed while it was read.
   */
  async putContent(id: ContentId, source: ContentSource, size: number): Promise<void> {
    if (this.hasContent(id)) return;
    const insert = this.#content(id, size);
    const hash = createHash('sha256');
    let total = 0;
    for await (const piece of pack(source)) {
      hash.update(piece.plain);
      total += piece.plain.length;
      insert(piece);
    }
    if (total !== size || hash.digest('hex') !== id)
      throw new OuaError('TRACE_FAILED', `content ${id} changed while it was read`, 'plan again');
  }

  /** Stores a content that was packed before, and was checked then. */
  putPacked(id: ContentId, pieces: readonly Packed[], size: number): void {
    if (!this.hasContent(id)) pieces.forEach(this.#content(id, size));
  }

  /** Appends a step of the log and returns its number. The contents that it names must be stored. */
  step(step: Step): number {
    const number = this.#counts.step++;
    this.#insert('step', { number, kind: step.kind });
    if (step.kind === 'files') step.changes.forEach((change, at) => this.#change(number, at, change));
    if (step.kind === 'script') this.#scriptCall(number, step.call);
    if (step.kind === 'action') this.#liveAction(number, step.action);
    return number;
  }

  /**
   * Replaces all steps. What is written and names a step names it in its new place.
   *
   * @param places by number of an old step: that of the new one, which must be a script's where it was one
   */
  replaceSteps(steps: readonly Step[], places: readonly number[]): void {
    // References would not hold in between; a reader checks them all.
    this.#database.exec('COMMIT; PRAGMA foreign_keys = OFF; BEGIN');
    for (const table of stepTables) this.#write(() => this.#database.exec(`DELETE FROM ${table}`));
    this.#counts.step = 0;
    for (const step of steps) this.step(step);
    this.#database.function('place', (number) => places[number as number]);
    for (const [table, column] of stepReferences)
      this.#write(() =>
        this.#database.exec(`UPDATE ${table} SET ${column} = place(${column}) WHERE ${column} IS NOT NULL`),
      );
    this.#database.exec('COMMIT; PRAGMA foreign_keys = ON; BEGIN');
  }

  /** States what must be at a path before the first write. Each path may come once. */
  precondition(path: Buffer, precondition: Precondition): void {
    const found = precondition.type === 'absent' ? undefined : precondition;
    this.#insert('precondition', {
      path,
      type: precondition.type,
      mode: found?.mode ?? null,
      uid: found?.uid ?? null,
      gid: found?.gid ?? null,
      sha256: found?.content === undefined ? null : Buffer.from(found.content, 'hex'),
      size: found?.size ?? null,
      target: found?.target ?? null,
    });
  }

  /** Adds a program that ran and returns its index. */
  execution(execution: Execution): number {
    const number = this.#counts.execution++;
    this.#insert('execution', {
      number,
      pid: execution.pid,
      parent: execution.parent,
      path: execution.path,
      command: execution.command,
      redirected: Number(execution.redirected),
    });
    this.#insertList('execution_argument', 'execution', number, execution.argv);
    return number;
  }

  /** Adds reads of a path by a reader. Each path, reader and outcome may come once. */
  procRead(read: ProcRead): void {
    this.#insert('proc_read', { ...read, found: Number(read.found) });
  }

  /** Notes a signal to a process of the guest. The step that it names must be written. */
  signal(sent: GuestSignal): void {
    this.#insert('signal', {
      number: this.#counts.signal++,
      command: sent.command,
      after_step: sent.afterStep ?? null,
      pid: sent.pid,
      signal: sent.signal,
      target: sent.target,
      target_comm: sent.targetComm,
    });
  }

  /** Appends to the full event record and returns the event's number. What it names must be written. */
  auditEvent(event: AuditEvent): number {
    const number = this.#counts.auditEvent++;
    this.#insert('audit_event', { number, ...auditRow(event) });
    return number;
  }

  /** The events from number `since` on that were taken for `wrong`'s belong to the package `right`. */
  correctAudit(since: number, wrong: string, right: string): void {
    this.#write(() => {
      this.#database
        .prepare('UPDATE audit_event SET package = ? WHERE number >= ? AND package = ?')
        .run(right, since, wrong);
    });
  }

  /** Adds a decision between two versions of a configuration file. */
  conffile(decision: ConffileDecision): void {
    this.#insert('conffile', {
      number: this.#counts.conffile++,
      path: decision.path,
      package: decision.package ?? null,
      decided_by: decision.by,
      decision: decision.decision,
      admin: decision.admin === undefined ? null : Buffer.from(decision.admin, 'hex'),
      offered: Buffer.from(decision.offered, 'hex'),
      beside: decision.beside ?? null,
    });
  }

  /** Adds a question of debconf's. Each may come once. */
  debconfQuestion({ name, type, value, withheld, seen, owners }: DebconfQuestion): void {
    const number = this.#counts.debconfQuestion++;
    this.#insert('debconf_question', {
      ...{ number, name, type: type ?? null, value: value ?? null },
      ...{ withheld: Number(withheld), seen: Number(seen) },
    });
    this.#insertList('debconf_owner', 'question', number, owners);
  }

  note(note: Note): void {
    this.#insert('note', { number: this.#counts.note++, code: note.code, text: note.text });
  }

  /** Completes the plan, makes it durable and gives it its name. Returns the plan's digest in hex. */
  finish(): string {
    const digest = digestPlan(this.#database);
    this.#write(() => {
      this.#database.prepare('UPDATE plan SET complete = 1, digest = ?').run(digest);
      this.#database.exec('COMMIT');
    });
    this.#close();
    synchronize(this.#partial);
    renameSync(this.#partial, this.#path);
    synchronize(dirname(this.#path));
    return digest.toString('hex');
  }

  /** Drops the plan; nothing is left of it. Does nothing after `finish()`. */
  abandon(): void {
    if (!this.#open) return;
    this.#close();
    removePartial(this.#partial);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.abandon();
    return Promise.resolve();
  }

  #close(): void {
    this.#open = false;
    this.#database.close();
  }

  #header(header: PlanHeader): void {
    this.#insert('plan', {
      id: 0,
      complete: 0,
      digest: null,
      policy: header.policy,
      change_order: header.order,
      audited: Number(header.audited),
      created_at: header.createdAt,
      created_by: header.createdBy,
      banner: header.guest.banner,
      release: header.guest.release,
      hostname: header.guest.hostname,
      boot_id: header.guest.bootId ?? null,
      machine_id: header.guest.machineId ?? null,
      root_uuid: header.guest.rootUuid ?? null,
      suspended_at: header.guest.suspendedAt,
      uptime: header.guest.uptime,
    });
  }

  #change(step: number, position: number, change: FileChange): void {
    const state = change.action === 'put' ? change.state : undefined;
    const mtime = state === undefined || state.mtime === 'now' ? undefined : state.mtime;
    const merge = change.action === 'link' ? undefined : change.merge;
    this.#insert('file_change', {
      step,
      position,
      path: change.path,
      action: change.action,
      link_to: change.action === 'link' ? change.to : null,
      type: state?.type ?? null,
      mode: state?.mode ?? null,
      uid: state?.uid ?? null,
      gid: state?.gid ?? null,
      mtime_seconds: mtime?.seconds ?? null,
      mtime_nanoseconds: mtime?.nanoseconds ?? null,
      content: state?.content === undefined ? null : this.#contentNumber(state.content),
      target: state?.target ?? null,
      major: state?.device?.major ?? null,
      minor: state?.device?.minor ?? null,
      merge_format: merge?.format ?? null,
      merge_base: merge?.base === undefined ? null : this.#contentNumber(merge.base),
    });
    for (const [name, value] of state?.xattrs ?? [])
      this.#insert('file_xattr', { step, position, name, value });
    const outputs = change.action === 'put' ? (change.outputs ?? []) : [];
    outputs.forEach(({ offset, step: source }, place) =>
      this.#insert('file_output', { step, position, place, byte_offset: offset, source }),
    );
  }

  #scriptCall(step: number, call: ScriptCall): void {
    this.#insert('script_call', {
      step,
      kind: call.kind,
      package: call.package,
      path: call.path,
      content: this.#contentNumber(call.content),
      cwd: call.cwd,
      command: call.command,
      runs: call.runs,
      reason: call.reason ?? null,
      interpreter: call.interpreter ? Buffer.from(call.interpreter.sha256, 'hex') : null,
      text_argument: call.interpreter?.argument ?? null,
      input: call.input === undefined ? null : this.#contentNumber(call.input),
      terminal: call.terminal ?? null,
    });
    this.#insertList('script_argument', 'step', step, call.argv);
    this.#insertList('script_environment', 'step', step, call.environment);
  }

  #liveAction(step: number, action: LiveAction): void {
    this.#insert('live_action', {
      step,
      rule: action.rule,
      path: action.path,
      sha256: Buffer.from(action.sha256, 'hex'),
      cwd: action.cwd,
      terminal: action.terminal ?? null,
      command: action.command,
      script: action.script ?? null,
    });
    this.#insertList('action_argument', 'step', step, action.argv);
    this.#insertList('action_environment', 'step', step, action.environment);
  }

  /** Begins a content; takes its pieces. */
  #content(id: ContentId, size: number): (piece: Packed) => void {
    const content = this.#contents.size + 1;
    this.#contents.set(id, content);
    this.#insert('content', { id: content, sha256: Buffer.from(id, 'hex'), size });
    let position = 0;
    return ({ encoding, bytes }) =>
      this.#insert('content_chunk', { content, position: position++, encoding, bytes }, bytes.length);
  }

  #contentNumber(id: ContentId): number {
    const number = this.#contents.get(id);
    if (number === undefined) throw new Error(`content ${id} is used before it is stored`);
    return number;
  }

  #insertList(table: string, owner: string, number: number, values: readonly (string | Buffer)[]): void {
    values.forEach((value, position) => this.#insert(table, { [owner]: number, position, value }));
  }

  #insert(table: string, row: Record<string, unknown>, bytes = 0): void {
    let statement = this.#statements.get(table);
    if (!statement) {
      const names = Object.keys(row);
      statement = this.#database.prepare(
        `INSERT INTO "${table}" (${names.join(', ')}) VALUES (${names.map((name) => `@${name}`).join(', ')})`,
      );
      this.#statements.set(table, statement);
    }
    this.#operations += 1;
    this.#bytes += bytes;
    this.#write(() => {
      statement.run(row);
      if (this.#operations < batchOperations && this.#bytes < batchBytes) return;
      this.#database.exec('COMMIT; BEGIN');
      this.#operations = this.#bytes = 0;
    });
  }

  #write(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (sqliteCode(error) !== 'SQLITE_FULL') throw error;
      throw new OuaError(
        'DISK_FULL',
        `no space left to write ${this.#path}`,
        'free some space, or give another --output',
        { cause: error },
      );
    }
  }
}

function createEmpty(partial: string, path: string): void {
  try {
    closeSync(openSync(partial, 'wx', 0o600));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new OuaError('FILE_MISSING', `the directory of ${path} does not exist`, 'create it first', {
        cause: error,
      });
    throw error;
  }
}

function removePartial(partial: string): void {
  rmSync(partial, { force: true });
}

function synchronize(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
