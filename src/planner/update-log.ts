import { createHash } from 'node:crypto';
import type { ChangeOrder, ContentId, FileChange, Step } from '../plan/model.js';
import type { PlanWriter } from '../plan/writer.js';
import type { ChangeCollector, Content } from '../shadow/fs/collector.js';
import type { ShadowFs } from '../shadow/fs/open.js';
import { databaseFormat } from './databases.js';
import type { PlannerListener } from './events.js';
import { EarlyContents } from './early-contents.js';
import { MergeBases } from './merge-bases.js';
import type { MarkedContent, OutputMarks } from './output-marks.js';
import { inPhases } from './phases.js';
import { Secrets } from './secrets.js';

/** What the log of an update is written to and read from. */
export interface UpdateLogParts {
  readonly writer: PlanWriter;
  readonly shadow: Pick<ShadowFs, 'checkSpace'>;
  readonly changes: ChangeCollector;
  readonly marks: OutputMarks;
  /** What the log is to be brought into when it is finished. */
  readonly order: ChangeOrder;
  readonly onEvent: PlannerListener;
}

/**
 * The log of a plan, in the one order in which things happened: what changed in files between two other steps is one step.
 * Until it is finished, steps have the numbers of that order.
 */
export class UpdateLog {
  readonly #parts: UpdateLogParts;
  readonly #touched = new Set<string>();
  /** What is made for this machine alone does not get into the plan: the guest makes its own. */
  readonly secrets = new Secrets();
  readonly #bases: MergeBases;
  readonly #early: EarlyContents;
  /** All steps, when they are to be brought into another order. */
  readonly #log: Step[] = [];
  #steps = 0;

  constructor(parts: UpdateLogParts) {
    this.#parts = parts;
    this.#bases = new MergeBases(parts.changes);
    this.#early = new EarlyContents(parts.changes, parts.marks);
  }

  get steps(): number {
    return this.#steps;
  }

  /** Paths that the plan changes, one character a byte (latin1). */
  get touched(): ReadonlySet<string> {
    return this.#touched;
  }

  /** What has changed in files since the last time becomes a step, and is returned. Nothing may write meanwhile. */
  collect(): Promise<readonly FileChange[]> {
    return this.#early.without(() => this.#collect());
  }

  async #collect(): Promise<readonly FileChange[]> {
    const { writer, shadow, changes: collector, marks } = this.#parts;
    shadow.checkSpace();
    const marked = new Map<ContentId, MarkedContent>();
    const store = async (content: Content) => {
      if (this.secrets.keeps(content) || writer.hasContent(content.id)) return;
      const early = this.#early.take(content.id);
      if (early) return writer.putPacked(content.id, early.pieces, early.size);
      const found = marks.cut(content);
      if (found) marked.set(content.id, found);
      const { id, size, read } = found ?? content;
      await writer.putContent(id, read(), size);
    };
    const all = await collector.collect(store);
    const unmarked = this.secrets.without(all).map((change) => withoutMarks(change, marked));
    const changes = await this.#bases.follow(unmarked, store);
    if (changes.length === 0) return changes;
    for (const change of changes) this.#touch(change.path);
    const step = this.append({ kind: 'files', changes });
    this.#parts.onEvent({ type: 'files', step, changes });
    return changes;
  }

  /**
   * What has changed in files since the last time does not become a step: the guest does it by itself. What it makes of
   * databases is what later changes of those begin with. Nothing may write meanwhile.
   */
  discard(): Promise<void> {
    return this.#early.without(() => this.#discard());
  }

  /** Gets contents ready while the work goes on. */
  during<T>(work: Promise<T>): Promise<T> {
    return this.#early.during(work);
  }

  async #discard(): Promise<void> {
    const { writer, shadow, changes: collector } = this.#parts;
    shadow.checkSpace();
    const store = async ({ id, path, size, read }: Content) => {
      if (databaseFormat(path)) await writer.putContent(id, read(), size);
    };
    await this.#bases.follow(await collector.collect(store), store);
  }

  /** Adds a step that is no file set; returns its number. */
  append(step: Step): number {
    this.#steps++;
    if (this.#parts.order !== 'log') this.#log.push(step);
    return this.#parts.writer.step(step);
  }

  /** Brings all steps into the order that is wanted. None may come after that. */
  finish(): void {
    if (this.#parts.order === 'log') return;
    const { steps, places } = inPhases(this.#log, (path) => this.#parts.changes.lowerState(path));
    this.#parts.writer.replaceSteps(steps, places);
    this.#steps = steps.length;
  }

  async store(bytes: Buffer): Promise<ContentId> {
    const id = createHash('sha256').update(bytes).digest('hex');
    await this.#parts.writer.putContent(id, bytes, bytes.length);
    return id;
  }

  /** Notes what the guest must have at a path when the plan first changes it. */
  #touch(path: Buffer): void {
    const key = path.toString('latin1');
    if (this.#touched.has(key)) return;
    this.#touched.add(key);
    this.#parts.writer.precondition(path, this.#parts.changes.lowerState(path));
  }
}

function withoutMarks(change: FileChange, marked: ReadonlyMap<ContentId, MarkedContent>): FileChange {
  const found =
    change.action === 'put' && change.state.content !== undefined
      ? marked.get(change.state.content)
      : undefined;
  if (!found || change.action !== 'put') return change;
  const state = { ...change.state, content: found.id, size: found.size };
  // What a database has of what was printed is no record of its: the agent merges those.
  const outputs = databaseFormat(change.path) ? [] : found.outputs;
  return { ...change, state, ...(outputs.length > 0 && { outputs }) };
}
