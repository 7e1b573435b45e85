import { OuaError } from '../base/errors.js';
import { mergeSizeLimit, type ContentId, type FileChange } from '../plan/model.js';
import type { ChangeCollector, Content, ContentSink } from '../shadow/fs/collector.js';
import { databaseFormat } from './databases.js';

/** `odd`: something that is merged with nothing, such as a link. */
type Base = { readonly content: ContentId } | 'absent' | 'odd';

/**
 * Follows what the plan makes of each database, so that each change of one can say what it began with: the agent
 * needs it to tell the guest's own changes from the plan's.
 */
export class MergeBases {
  readonly #guest: Pick<ChangeCollector, 'lowerState' | 'lowerContent'>;
  readonly #known = new Map<string, Base>();

  /** @param guest what it has before any change */
  constructor(guest: Pick<ChangeCollector, 'lowerState' | 'lowerContent'>) {
    this.#guest = guest;
  }

  /**
   * The same changes, those of databases with what they are merged by.
   *
   * @param changes the next ones, in the order of the plan
   * @param store gets each content that is not one of the plan's own
   * @throws OuaError `GUEST_UNSUPPORTED` for a database that is larger than the agent merges
   */
  async follow(changes: readonly FileChange[], store: ContentSink): Promise<FileChange[]> {
    const followed: FileChange[] = [];
    for (const change of changes) followed.push(await this.#follow(change, store));
    return followed;
  }

  async #follow(change: FileChange, store: ContentSink): Promise<FileChange> {
    const format = databaseFormat(change.path);
    if (!format) return change;
    const base = await this.#base(change.path, store);
    this.#known.set(change.path.toString('latin1'), after(change));
    const mergeable = change.action === 'remove' || (change.action === 'put' && change.state.type === 'file');
    if (!mergeable || base === 'odd') return change;
    if (change.action === 'put') requireMergeable(change.path, change.state.size ?? 0);
    return { ...change, merge: { format, ...(base !== 'absent' && { base: base.content }) } };
  }

  async #base(path: Buffer, store: ContentSink): Promise<Base> {
    const known = this.#known.get(path.toString('latin1'));
    if (known) return known;
    if (this.#guest.lowerState(path).type === 'absent') return 'absent';
    const content: Content | undefined = this.#guest.lowerContent(path);
    if (!content) return 'odd';
    requireMergeable(path, content.size);
    await store(content);
    return { content: content.id };
  }
}

function after(change: FileChange): Base {
  if (change.action === 'remove') return 'absent';
  const content = change.action === 'put' ? change.state.content : undefined;
  return content === undefined ? 'odd' : { content };
}

function requireMergeable(path: Buffer, size: number): void {
  if (size <= mergeSizeLimit) return;
  throw new OuaError(
    'GUEST_UNSUPPORTED',
    `${path.toString('utf8')} has ${size} bytes, more than can be merged with live changes`,
    'look why it is so large, and repair it in the guest',
  );
}
