import { createHash } from 'node:crypto';
import { inflateSync } from 'node:zlib';
import Database from 'better-sqlite3';
import { z } from 'zod';
import { errnoOf } from '../base/errors.js';
import { auditEvent, type AuditEvent } from './audit-event.js';
import { checkDatabase, checkHeader, damaged, sqliteCode } from './check.js';
import type {
  CommandRecord,
  ConffileDecision,
  ContentId,
  DebconfQuestion,
  Execution,
  FileChange,
  FileState,
  GuestSignal,
  LiveAction,
  Merge,
  Note,
  PackageChange,
  PlanHeader,
  Precondition,
  ProcRead,
  ScriptCall,
  Step,
  StepOutput,
} from './model.js';
import { chunkSize, rows } from './schema.js';

/** How much a plan holds. */
export interface PlanSummary {
  readonly commands: number;
  readonly packages: number;
  readonly steps: number;
  /** Changes of files over all steps; a path that changes twice counts twice. */
  readonly changes: number;
  readonly scripts: number;
  readonly preconditions: number;
  readonly executions: number;
  readonly contents: number;
  /** Uncompressed bytes of all contents. */
  readonly contentBytes: number;
}

type ChangeRow = z.infer<typeof rows.fileChange>;

/**
 * Reads a finished plan. The whole file is checked when it is opened, except the contents, whose hash is
 * checked as they are read.
 */
export class PlanReader implements Disposable {
  /** SHA-256 over all that the plan says, 64 hex digits: its identity. */
  readonly digest: string;
  readonly header: PlanHeader;
  readonly #path: string;
  readonly #database: Database.Database;

  private constructor(path: string, database: Database.Database) {
    this.#path = path;
    this.#database = database;
    this.digest = checkDatabase(database, path);
    this.header = this.#readHeader();
  }

  /**
   * Opens and checks a plan. It is never written to.
   *
   * @throws OuaError `FILE_MISSING`, `PLAN_DAMAGED`, `PLAN_NEWER` or `PLAN_INCOMPLETE`.
   */
  static open(path: string): PlanReader {
    checkHeader(path);
    let database;
    try {
      database = new Database(path, { readonly: true, fileMustExist: true });
      database.pragma('trusted_schema = OFF');
      database.pragma('cell_size_check = ON');
      return new PlanReader(path, database);
    } catch (error) {
      database?.close();
      throw translate(path, error);
    }
  }

  [Symbol.dispose](): void {
    this.close();
  }

  close(): void {
    this.#database.close();
  }

  summary(): PlanSummary {
    const count = (query: string): number =>
      this.#guard(() => this.#database.prepare<[], number>(`SELECT ${query}`).pluck().get() ?? 0);
    return {
      commands: count('count(*) FROM command'),
      packages: count('count(*) FROM package'),
      steps: count('count(*) FROM step'),
      changes: count('count(*) FROM file_change'),
      scripts: count('count(*) FROM script_call'),
      preconditions: count('count(*) FROM precondition'),
      executions: count('count(*) FROM execution'),
      contents: count('count(*) FROM content'),
      contentBytes: count('coalesce(sum(size), 0) FROM content'),
    };
  }

  commands(): CommandRecord[] {
    return this.#all(rows.command, 'SELECT * FROM command ORDER BY number').map((row) => ({
      argv: this.#texts('command_argument', 'command', row.number),
      exitStatus: row.exit_status,
      seconds: row.seconds,
    }));
  }

  packages(): PackageChange[] {
    return this.#all(rows.package, 'SELECT * FROM package ORDER BY name, architecture').map((row) => ({
      name: row.name,
      architecture: row.architecture,
      from: row.version_from ?? undefined,
      to: row.version_to ?? undefined,
    }));
  }

  /** The log, one step in memory at a time. */
  *steps(): Generator<Step> {
    for (const { number, kind } of this.#all(rows.step, 'SELECT * FROM step ORDER BY number')) {
      if (kind === 'files') yield { kind, changes: this.#changes(number) };
      else if (kind === 'script') yield { kind, call: this.#scriptCall(number) };
      else if (kind === 'action') yield { kind, action: this.#liveAction(number) };
      else yield { kind };
    }
  }

  *preconditions(): Generator<readonly [path: Buffer, precondition: Precondition]> {
    for (const row of this.#each(rows.precondition, 'SELECT * FROM precondition ORDER BY path')) {
      if (row.type === 'absent') yield [row.path, { type: 'absent' }];
      else
        yield [
          row.path,
          {
            type: row.type,
            mode: row.mode,
            uid: row.uid,
            gid: row.gid,
            ...(row.sha256 && { content: row.sha256.toString('hex'), size: row.size! }),
            ...(row.target && { target: row.target }),
          },
        ];
    }
  }

  *executions(): Generator<Execution> {
    for (const row of this.#all(rows.execution, 'SELECT * FROM execution ORDER BY number'))
      yield {
        pid: row.pid,
        parent: row.parent,
        path: row.path,
        argv: this.#buffers('execution_argument', 'execution', row.number),
        command: row.command,
        redirected: row.redirected === 1,
      };
  }

  procReads(): ProcRead[] {
    return this.#all(rows.procRead, 'SELECT * FROM proc_read ORDER BY path, reader, found').map((row) => ({
      ...row,
      found: row.found === 1,
    }));
  }

  /** In the order in which they were sent. */
  signals(): GuestSignal[] {
    return this.#all(rows.signal, 'SELECT * FROM signal ORDER BY number').map((row) => ({
      command: row.command,
      afterStep: row.after_step ?? undefined,
      pid: row.pid,
      signal: row.signal,
      target: row.target,
      targetComm: row.target_comm,
    }));
  }

  /** The full event record, in order, one event in memory at a time; empty when the plan was made without one. */
  *auditEvents(): Generator<AuditEvent> {
    const query = `SELECT ${Object.keys(rows.auditEvent.shape).join(', ')} FROM audit_event ORDER BY number`;
    for (const row of this.#each(rows.auditEvent, query)) yield auditEvent(row);
  }

  conffiles(): ConffileDecision[] {
    return this.#all(rows.conffile, 'SELECT * FROM conffile ORDER BY number').map((row) => ({
      path: row.path,
      package: row.package ?? undefined,
      by: row.decided_by,
      decision: row.decision,
      admin: row.admin?.toString('hex'),
      offered: row.offered.toString('hex'),
      beside: row.beside ?? undefined,
    }));
  }

  debconfQuestions(): DebconfQuestion[] {
    return this.#all(rows.debconfQuestion, 'SELECT * FROM debconf_question ORDER BY number').map((row) => ({
      name: row.name,
      type: row.type ?? undefined,
      value: row.value ?? undefined,
      withheld: row.withheld === 1,
      seen: row.seen === 1,
      owners: this.#texts('debconf_owner', 'question', row.number),
    }));
  }

  notes(): Note[] {
    return this.#all(rows.note, 'SELECT code, text FROM note ORDER BY number');
  }

  /** Size in bytes of a stored content, undefined when the plan does not have it. */
  contentSize(id: ContentId): number | undefined {
    return this.#content(id)?.size;
  }

  /**
   * The bytes of a content in pieces of at most 1 MiB. The hash is known only at the end: what was read
   * must not be used before the generator is done.
   *
   * @throws OuaError `PLAN_DAMAGED` when the plan does not have it, or not as it was written.
   */
  *contentChunks(id: ContentId): Generator<Buffer> {
    const content = this.#content(id);
    if (!content) throw damaged(this.#path, `content ${id} is not in it`);
    const hash = createHash('sha256');
    let total = 0;
    const query = 'SELECT encoding, bytes FROM content_chunk WHERE content = ? ORDER BY position';
    for (const row of this.#each(rows.contentChunk, query, content.id)) {
      const chunk = row.encoding === 'plain' ? row.bytes : this.#guard(() => inflate(row.bytes));
      hash.update(chunk);
      total += chunk.length;
      yield chunk;
    }
    if (total !== content.size || hash.digest('hex') !== id)
      throw damaged(this.#path, `content ${id} is not what was stored`);
  }

  /** A whole content in memory: for scripts and other small files. Throws as `contentChunks`. */
  content(id: ContentId): Buffer {
    return Buffer.concat([...this.contentChunks(id)]);
  }

  #readHeader(): PlanHeader {
    const row = this.#all(rows.plan, 'SELECT * FROM plan')[0];
    if (!row) throw damaged(this.#path, 'it has no header');
    return {
      guest: {
        banner: row.banner,
        release: row.release,
        hostname: row.hostname,
        bootId: row.boot_id ?? undefined,
        machineId: row.machine_id ?? undefined,
        rootUuid: row.root_uuid ?? undefined,
        suspendedAt: row.suspended_at,
        uptime: row.uptime,
      },
      policy: row.policy,
      order: row.change_order,
      audited: row.audited === 1,
      createdAt: row.created_at,
      createdBy: row.created_by,
    };
  }

  #content(id: ContentId): z.infer<typeof rows.content> | undefined {
    return this.#all(rows.content, 'SELECT * FROM content WHERE sha256 = ?', Buffer.from(id, 'hex'))[0];
  }

  #changes(step: number): FileChange[] {
    const xattrs = new Map<number, [string, Buffer][]>();
    const xattrQuery = 'SELECT position, name, value FROM file_xattr WHERE step = ? ORDER BY position, name';
    for (const { position, name, value } of this.#all(rows.fileXattr, xattrQuery, step))
      xattrs.set(position, [...(xattrs.get(position) ?? []), [name, value]]);
    const outputs = new Map<number, StepOutput[]>();
    const outputQuery =
      'SELECT position, byte_offset, source FROM file_output WHERE step = ? ORDER BY position, place';
    for (const { position, byte_offset, source } of this.#all(rows.fileOutput, outputQuery, step))
      outputs.set(position, [...(outputs.get(position) ?? []), { offset: byte_offset, step: source }]);
    const changeQuery =
      'SELECT file_change.*, content.sha256, content.size, base.sha256 AS base_sha256 FROM file_change ' +
      'LEFT JOIN content ON content = content.id LEFT JOIN content AS base ON merge_base = base.id ' +
      'WHERE step = ? ORDER BY position';
    return this.#all(rows.fileChange, changeQuery, step).map((row) =>
      fileChange(row, xattrs.get(row.position) ?? [], outputs.get(row.position)),
    );
  }

  #scriptCall(step: number): ScriptCall {
    const query =
      'SELECT script_call.*, script.sha256 AS sha256, input.sha256 AS input_sha256 FROM script_call ' +
      'JOIN content AS script ON script_call.content = script.id ' +
      'LEFT JOIN content AS input ON script_call.input = input.id WHERE step = ?';
    const row = this.#all(rows.scriptCall, query, step)[0];
    if (!row) throw damaged(this.#path, `step ${step} has no script`);
    return {
      kind: row.kind,
      package: row.package,
      path: row.path,
      content: row.sha256.toString('hex'),
      argv: this.#buffers('script_argument', 'step', step),
      environment: this.#buffers('script_environment', 'step', step),
      cwd: row.cwd,
      command: row.command,
      runs: row.runs,
      ...(row.reason !== null && { reason: row.reason }),
      ...(row.interpreter !== null &&
        row.text_argument !== null && {
          interpreter: { sha256: row.interpreter.toString('hex'), argument: row.text_argument },
        }),
      ...(row.input_sha256 !== null && { input: row.input_sha256.toString('hex') }),
      ...(row.terminal !== null && { terminal: row.terminal }),
    };
  }

  #liveAction(step: number): LiveAction {
    const row = this.#all(rows.liveAction, 'SELECT * FROM live_action WHERE step = ?', step)[0];
    if (!row) throw damaged(this.#path, `step ${step} has no action`);
    return {
      rule: row.rule,
      path: row.path,
      sha256: row.sha256.toString('hex'),
      argv: this.#buffers('action_argument', 'step', step),
      environment: this.#buffers('action_environment', 'step', step),
      cwd: row.cwd,
      ...(row.terminal !== null && { terminal: row.terminal }),
      command: row.command,
      script: row.script ?? undefined,
    };
  }

  #buffers(table: string, owner: string, number: number): Buffer[] {
    return this.#all(rows.bytesValue, listQuery(table, owner), number).map((row) => row.value);
  }

  #texts(table: string, owner: string, number: number): string[] {
    return this.#all(rows.textValue, listQuery(table, owner), number).map((row) => row.value);
  }

  #all<T>(schema: z.ZodType<T>, query: string, ...parameters: unknown[]): T[] {
    return [...this.#each(schema, query, ...parameters)];
  }

  *#each<T>(schema: z.ZodType<T>, query: string, ...parameters: unknown[]): Generator<T> {
    try {
      for (const row of this.#database.prepare(query).iterate(...parameters)) yield schema.parse(row);
    } catch (error) {
      throw translate(this.#path, error);
    }
  }

  #guard<T>(action: () => T): T {
    try {
      return action();
    } catch (error) {
      throw translate(this.#path, error);
    }
  }
}

function listQuery(table: string, owner: string): string {
  return `SELECT value FROM ${table} WHERE ${owner} = ? ORDER BY position`;
}

function fileChange(
  row: ChangeRow,
  xattrs: [string, Buffer][],
  outputs: StepOutput[] | undefined,
): FileChange {
  if (row.action === 'link') return { action: 'link', path: row.path, to: row.link_to };
  const merge: { merge?: Merge } = row.merge_format
    ? {
        merge: {
          format: row.merge_format,
          ...(row.base_sha256 && { base: row.base_sha256.toString('hex') }),
        },
      }
    : {};
  if (row.action === 'remove') return { action: 'remove', path: row.path, ...merge };
  const state: FileState = {
    type: row.type,
    mode: row.mode,
    uid: row.uid,
    gid: row.gid,
    mtime:
      row.mtime_seconds === null
        ? 'now'
        : { seconds: row.mtime_seconds, nanoseconds: row.mtime_nanoseconds ?? 0 },
    xattrs,
    ...(row.sha256 && { content: row.sha256.toString('hex'), size: row.size ?? 0 }),
    ...(row.target && { target: row.target }),
    ...(row.major !== null && row.minor !== null && { device: { major: row.major, minor: row.minor } }),
  };
  return { action: 'put', path: row.path, state, ...merge, ...(outputs && { outputs }) };
}

function inflate(bytes: Buffer): Buffer {
  return inflateSync(bytes, { maxOutputLength: chunkSize });
}

/** SQLite, zlib and zod each complain of a damaged file in their own words. */
function translate(path: string, error: unknown): unknown {
  if (sqliteCode(error)) return damaged(path, (error as Error).message, error);
  if (error instanceof z.ZodError) return damaged(path, 'a row has impossible values', error);
  // zlib's errors have a code; a mistake of ours (a TypeError, an OuaError) goes through as it is.
  if (errnoOf(error)?.match(/^Z_|^ERR_BUFFER_TOO_LARGE$/))
    return damaged(path, 'a content does not unpack', error);
  return error;
}
