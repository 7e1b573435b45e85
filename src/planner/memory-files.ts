import type { Note } from '../plan/model.js';
import type { LeftOut } from '../shadow/fs/memory-mounts.js';

const namedInNote = 5;

/** Tells the plan's reader which of the guest's files in memory (`/run`, …) the update did not see; undefined: none. */
export function memoryFilesNote({ count, files }: LeftOut): Note | undefined {
  if (count === 0) return undefined;
  const named = files
    .slice(0, namedInNote)
    .map(({ path, reason }) => `${path} (${reason})`)
    .join(', ');
  const more = count > namedInNote ? ` and ${count - namedInNote} more` : '';
  return {
    code: 'MEMORY_FILES_LEFT_OUT',
    text: `of the files that the guest keeps in memory, these could not be shown to the update: ${named}${more}`,
  };
}
