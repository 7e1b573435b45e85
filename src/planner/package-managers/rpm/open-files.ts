import { readdirSync, readlinkSync } from 'node:fs';
import { errnoOf } from '../../../base/errors.js';

/** A process may have far more; rpm has some ten. */
const mostFiles = 4096;

/**
 * Paths, as the guest has them, of what a process of the update has open; it stands still. Descriptors that close when
 * a program is executed are still open at the call.
 *
 * @param pid as this host numbers it
 */
export function openFiles(pid: number): string[] {
  const directory = `/proc/${pid}/fd`;
  try {
    return readdirSync(directory)
      .slice(0, mostFiles)
      .map((name) => readlinkSync(`${directory}/${name}`, 'latin1'))
      .filter((path) => path.startsWith('/'));
  } catch (error) {
    // It was killed meanwhile.
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return [];
    throw error;
  }
}
