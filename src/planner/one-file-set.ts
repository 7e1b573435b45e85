import type { FileChange, Merge } from '../plan/model.js';

/**
 * Several file sets as one that leads to the same files: of the states that a path goes through only the last is put.
 *
 * The changes stay in their order, for what makes room and what is put there, a directory and what is in it, a name and
 * another one of the same inode depend on each other. What does not survive is left out: puts of what is no directory, and
 * links, unless a link to them is left over. Directories are put and names are removed as often as before, which costs
 * nothing and keeps the way free for what comes after.
 *
 * @param changes of all sets, in their order
 */
export function oneFileSet(changes: readonly FileChange[]): FileChange[] {
  const lasting = lastingChanges(changes);
  /** Of paths whose last change was left out: how the first one of those in a row was to be merged. */
  const skipped = new Map<string, Merge | undefined>();
  return changes.flatMap((change) => {
    const path = key(change.path);
    const begun = skipped.has(path);
    if (!lasting.has(change)) {
      if (!begun) skipped.set(path, mergeOf(change));
      return [];
    }
    const merge = skipped.get(path);
    skipped.delete(path);
    return [begun ? withBase(change, merge) : change];
  });
}

/** From the end: what is changed later on, and not named by a link before that, does not last. */
function lastingChanges(changes: readonly FileChange[]): Set<FileChange> {
  const lasting = new Set<FileChange>();
  const later = new Set<string>();
  const named = new Set<string>();
  for (const change of [...changes].reverse()) {
    const path = key(change.path);
    const linked = named.delete(path);
    if (!later.has(path) || linked || mustStay(change)) {
      lasting.add(change);
      if (change.action === 'link') named.add(key(change.to));
    }
    later.add(path);
  }
  return lasting;
}

function mustStay(change: FileChange): boolean {
  return change.action === 'remove' || (change.action === 'put' && change.state.type === 'directory');
}

const mergeOf = (change: FileChange) => (change.action === 'link' ? undefined : change.merge);

/** A database's change that begins with what was there before the changes that are left out. */
function withBase(change: FileChange, before: Merge | undefined): FileChange {
  if (change.action === 'link' || !change.merge) return change;
  const { merge, ...rest } = change;
  if (!before) return rest;
  return {
    ...rest,
    merge: { format: merge.format, ...(before.base !== undefined && { base: before.base }) },
  };
}

/** latin1 keeps every byte of a name that is not UTF-8. */
const key = (path: Buffer): string => path.toString('latin1');
