import { closeSync, mkdtempSync, openSync, rmSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { filterThroughTool, type FilterProgram } from '../base/command.js';
import { errnoOf, OuaError } from '../base/errors.js';
import { unreadable } from './refusals.js';
import { ImageFile } from './source.js';

/** What we can decompress a whole file with. gzip is Node's own. */
export type Compression = 'gzip' | FilterProgram;

/** The part of the free space that is left to others. */
const spare = 0.1;

/**
 * Decompresses what a file holds from `start` on into a temporary file that has no name any more: it goes with
 * its last use, however this process ends. The file itself stays the caller's.
 *
 * @throws OuaError `DISK_FULL` before the temporary folder's disk would be full, `MEMORY_FORMAT` for damaged data,
 *   `PROGRAM_MISSING`
 */
export async function unpack(file: ImageFile, start: number, compression: Compression): Promise<ImageFile> {
  const fd = openUnnamed();
  try {
    // Not streams of Node's fs: those close the file when something fails, although it is not theirs.
    const input = Readable.from(file.pieces(start));
    const output = writeTo(fd, freeBytes(), file.path);
    if (compression === 'gzip') await pipeline(input, createGunzip(), output);
    else await filterThroughTool(compression, ['-d', '-c'], input, output);
    return new ImageFile(file.path, fd);
  } catch (error) {
    closeSync(fd);
    if (error instanceof OuaError && error.code !== 'HOST_FAILED') throw error;
    const words = error instanceof Error ? error.message : String(error);
    throw unreadable(file.path, `its ${compression} data cannot be decompressed (${words})`);
  }
}

function openUnnamed(): number {
  const folder = mkdtempSync(join(tmpdir(), 'ouassister-'));
  try {
    return openSync(join(folder, 'memory'), 'wx+', 0o600);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function freeBytes(): number {
  const { bavail, bsize } = statfsSync(tmpdir());
  return bavail * bsize * (1 - spare);
}

/** Writes to an open file, at most `limit` bytes. */
function writeTo(fd: number, limit: number, path: string): Writable {
  let left = limit;
  return new Writable({
    highWaterMark: 1 << 20,
    write(chunk: Buffer, _encoding, done) {
      left -= chunk.length;
      try {
        if (left < 0) throw noRoom(path);
        for (let at = 0; at < chunk.length;) at += writeSync(fd, chunk, at);
        done();
      } catch (error) {
        done(errnoOf(error) === 'ENOSPC' ? noRoom(path) : (error as Error));
      }
    },
  });
}

function noRoom(path: string): OuaError {
  return new OuaError(
    'DISK_FULL',
    `${tmpdir()} has no room for the decompressed ${path}`,
    'set TMPDIR to a folder with more free space',
  );
}
