/** The standard input of a scriptlet: rpm writes the names of files to that of a file trigger. */
import { closeSync, constants, openSync, readlinkSync, readSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, OuaError } from '../../../base/errors.js';

/** Bytes: the names of all files of a full system are some 50 MiB. */
const longestInput = 256 << 20;
const pollMs = 2;
/** Milliseconds without a byte: rpm does nothing else meanwhile. */
const patienceMs = 60_000;

const inputOf = (pid: number) => `/proc/${pid}/fd/0`;

/** Whether a process that stands still at its execve(2) has a pipe as its standard input. */
export function hasInput(pid: number): boolean {
  try {
    return readlinkSync(inputOf(pid)).startsWith('pipe:');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Reads that pipe to its end.
 *
 * @throws OuaError `UPDATE_FAILED` when there is no end to it
 */
export async function takeInput(pid: number): Promise<Buffer> {
  const descriptor = openSync(inputOf(pid), constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const pieces: Buffer[] = [];
    let [size, last] = [0, Date.now()];
    while (size <= longestInput && Date.now() - last < patienceMs) {
      const piece = Buffer.alloc(1 << 16);
      const read = tryRead(descriptor, piece);
      if (read === 0) return Buffer.concat(pieces);
      if (read === undefined) await sleep(pollMs);
      else {
        pieces.push(piece.subarray(0, read));
        size += read;
        last = Date.now();
      }
    }
    throw new OuaError(
      'UPDATE_FAILED',
      'the input of a file trigger has no end',
      'plan with --policy split, or run this update in the guest',
    );
  } finally {
    closeSync(descriptor);
  }
}

/** Undefined: nothing is there yet. */
function tryRead(descriptor: number, into: Buffer): number | undefined {
  try {
    return readSync(descriptor, into);
  } catch (error) {
    if (errnoOf(error) === 'EAGAIN') return undefined;
    throw error;
  }
}
