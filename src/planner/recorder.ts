import { createHash } from 'node:crypto';
import type { SentSignal } from '../emulate/guest-signals.js';
import type { ContentId, ScriptCall, Step } from '../plan/model.js';
import type { PlanWriter } from '../plan/writer.js';
import { initPath } from '../sandbox/sandbox.js';
import type { ChangeCollector, Content } from '../shadow/fs/collector.js';
import type { ShadowFs } from '../shadow/fs/open.js';
import type { ExecDecision, ExecStop, TraceEvent } from '../tracer/tracer.js';
import type { RunningScript } from './attribution.js';
import type { AuditTrail } from './audit-trail.js';
import type { PlannerListener } from './events.js';
import { maintainerScript, type MaintainerScript } from './maintainer-scripts.js';

/** Far above any real maintainer script; dpkg itself reads them whole. */
const maximumScriptSize = 16 << 20;

/** latin1 keeps every byte of a name that is not UTF-8. */
const text = (name: Buffer): string => name.toString('latin1');

/** What a recorder writes to and reads from. */
export interface RecorderParts {
  readonly writer: PlanWriter;
  readonly shadow: Pick<ShadowFs, 'checkSpace'>;
  readonly changes: ChangeCollector;
  /** Path, in the sandbox, of the program that runs instead of a deferred script. */
  readonly stub: string;
  readonly onEvent: PlannerListener;
  /** Where the full event record goes, when one is wanted. */
  readonly audit?: AuditTrail | undefined;
}

/**
 * Turns what the tracer sees into the log of the plan, in the one order in which it happened:
 * file changes up to a script call, the call, file changes up to the next one.
 *
 * This is policy `defer`: every maintainer script is recorded and redirected to a stub that exits 0.
 */
export class Recorder {
  readonly #parts: RecorderParts;
  #command = 0;
  #scripts = 0;
  #steps = 0;
  readonly #touched = new Set<string>();
  /** Recorded script calls whose exec was not told yet, by its sequence. */
  readonly #recorded = new Map<number, RunningScript>();

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /** Script calls recorded so far. */
  get scripts(): number {
    return this.#scripts;
  }

  get steps(): number {
    return this.#steps;
  }

  /** Paths that the plan changes, one character a byte (latin1). */
  get touched(): ReadonlySet<string> {
    return this.#touched;
  }

  /** Handler for the tracer: called at each execve(2) in `scriptDirectories` while the caller stands still. */
  async onExec(stop: ExecStop): Promise<ExecDecision> {
    const script = maintainerScript(text(stop.absolutePath), stop.environment);
    if (!script || !(await this.#recordScript(script, stop))) return { action: 'continue' };
    return { action: 'redirect', path: this.#parts.stub };
  }

  /** Listener for the tracer. A search of PATH attempts an execve in each directory: only what ran counts. */
  onTrace(event: TraceEvent): void {
    const { audit, writer } = this.#parts;
    audit?.onTrace(event, this.#command, this.#scriptOf(event));
    if (event.type !== 'exec' || !event.call || text(event.call.absolutePath) === initPath) return;
    const { pid, parent, redirected } = event;
    const { path, argv } = event.call;
    const number = writer.execution({ pid, parent, path, argv, command: this.#command, redirected });
    audit?.onExec(pid, this.#command, number);
  }

  #scriptOf(event: TraceEvent): RunningScript | undefined {
    if ((event.type !== 'exec' && event.type !== 'exec-failed') || !event.call) return undefined;
    const script = this.#recorded.get(event.call.sequence);
    this.#recorded.delete(event.call.sequence);
    return script;
  }

  /** Listener for the answers from the guest. The replay does not send it: that is up to the scripts, which run then. */
  onSignal(sent: SentSignal): void {
    const { sender, signal, target } = sent;
    this.#parts.audit?.onSignal(sent, this.#command);
    this.#parts.writer.signal({
      command: this.#command,
      afterStep: this.#steps > 0 ? this.#steps - 1 : undefined,
      pid: sender,
      signal,
      target: target.pid,
      targetComm: target.comm,
    });
  }

  beginCommand(argv: readonly string[]): void {
    this.#recorded.clear();
    this.#command = this.#parts.writer.beginCommand(argv);
  }

  /** Ends the current command: what it changed since the last script call becomes a step. */
  async endCommand(exitStatus: number, seconds: number): Promise<void> {
    await this.#collect();
    this.#parts.writer.endCommand(this.#command, exitStatus, seconds);
  }

  /** Ends the log: what deferred scripts will have queued for other packages comes last. */
  finish(): void {
    if (this.#scripts > 0) this.#step({ kind: 'triggers' });
  }

  /** False when dpkg names a script that is not there: that call fails by itself, as it would in the guest. */
  async #recordScript(script: MaintainerScript, stop: ExecStop): Promise<boolean> {
    await stop.quiesce();
    const program = stop.readProgram(maximumScriptSize);
    if (!program) return false;
    await this.#collect();
    const content = await this.#store(program);
    const { path, argv, environment, cwd } = stop;
    const call: ScriptCall = { ...script, path, content, argv, environment, cwd, command: this.#command };
    const step = this.#step({ kind: 'script', call });
    if (this.#parts.audit) this.#recorded.set(stop.sequence, { ...script, step });
    this.#scripts++;
    this.#parts.onEvent({ type: 'script', step, call });
    return true;
  }

  async #collect(): Promise<void> {
    const { writer, shadow, changes: collector } = this.#parts;
    shadow.checkSpace();
    const store = (content: Content) => writer.putContent(content.id, content.read(), content.size);
    const changes = await collector.collect(store);
    if (changes.length === 0) return;
    for (const change of changes) this.#touch(change.path);
    const step = this.#step({ kind: 'files', changes });
    this.#parts.onEvent({ type: 'files', step, changes });
  }

  /** Notes what the guest must have at a path when the plan first changes it. */
  #touch(path: Buffer): void {
    const key = path.toString('latin1');
    if (this.#touched.has(key)) return;
    this.#touched.add(key);
    this.#parts.writer.precondition(path, this.#parts.changes.lowerState(path));
  }

  #step(step: Step): number {
    this.#steps++;
    return this.#parts.writer.step(step);
  }

  async #store(bytes: Buffer): Promise<ContentId> {
    const id = createHash('sha256').update(bytes).digest('hex');
    await this.#parts.writer.putContent(id, bytes, bytes.length);
    return id;
  }
}
