import type { ContentId, FileChange, FileState } from '../plan/model.js';
import type { Secret } from './live/verdict.js';
import type { RunningScript } from './running-scripts.js';

interface Kept extends Secret {
  readonly script: RunningScript | undefined;
  /** Its program has ended. */
  made: boolean;
  /** It was collected: it is there. */
  seen: boolean;
}

/**
 * Files that a program makes offline for its caller's sake, and in the guest once more. The plan has no change of them, so
 * that it cannot tell what else is done with them: whatever is, the script has to run in the guest, whole.
 */
export class Secrets {
  /** By path, one character a byte (latin1). */
  readonly #kept = new Map<string, Kept>();
  readonly #contents = new Set<ContentId>();
  #exposed: { readonly script: RunningScript | undefined; readonly reason: string } | undefined;

  /** What was found first, and the script that had the secret made. */
  get exposed(): { readonly script: RunningScript | undefined; readonly reason: string } | undefined {
    return this.#exposed;
  }

  /** A program is about to make these, with absolute paths without links. */
  await(secrets: readonly Secret[], script: RunningScript | undefined): void {
    for (const secret of secrets)
      this.#kept.set(secret.path, { ...secret, script, made: false, seen: false });
  }

  /** The program has ended, and what it did is collected. `well`: without that it has made nothing. */
  made(secrets: readonly Secret[], well: boolean): void {
    for (const { path } of secrets) {
      const kept = this.#kept.get(path);
      if (!kept) continue;
      kept.made = true;
      if (!well) this.#kept.delete(path);
      else if (!kept.seen && kept.mode !== undefined) this.#expose(kept, 'it is not there any more');
    }
  }

  /** Whether a content is one of theirs, which is not to be stored. */
  keeps({ id, path }: { readonly id: ContentId; readonly path: Buffer }): boolean {
    const found = this.#kept.has(path.toString('latin1'));
    if (found) this.#contents.add(id);
    return found;
  }

  /** The changes that are no secret's. */
  without(changes: readonly FileChange[]): FileChange[] {
    return changes.filter((change) => {
      const kept = this.#kept.get(change.path.toString('latin1'));
      if (kept) this.#look(kept, change);
      else if (change.action === 'put' && change.state.content && this.#contents.has(change.state.content))
        this.#expose([...this.#kept.values()].at(-1), `it is at ${change.path.toString('latin1')}, too`);
      return !kept;
    });
  }

  #look(kept: Kept, change: FileChange): void {
    if (kept.made) this.#expose(kept, 'it was changed afterwards');
    else if (change.action !== 'put') this.#expose(kept, 'it was removed or linked');
    else if (kept.mode !== undefined && !isRoots(change.state, kept.mode))
      this.#expose(kept, 'it has got another owner or mode');
    kept.seen = true;
  }

  #expose(kept: Kept | undefined, what: string): void {
    this.#exposed ??= kept && {
      script: kept.script,
      reason: `${kept.path} is made for one machine, and ${what}`,
    };
  }
}

const isRoots = (state: FileState, mode: number) => state.uid === 0 && state.gid === 0 && state.mode === mode;
