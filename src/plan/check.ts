import { closeSync, openSync, readSync } from 'node:fs';
import type { Database } from 'better-sqlite3';
import { errnoOf, OuaError } from '../base/errors.js';
import { digestPlan } from './digest.js';
import { applicationId, formatVersion, tables } from './schema.js';

/** Layout of the first 100 bytes: https://www.sqlite.org/fileformat2.html#the_database_header */
const magic = Buffer.from('SQLite format 3\0');
const userVersionAt = 60;
const applicationIdAt = 68;
const headerSize = 100;

/**
 * SQLite's name for what went wrong (`'SQLITE_FULL'`, …), or undefined for any other value. Not `instanceof`:
 * the driver keeps the error class of whoever loaded it first in a process.
 */
export function sqliteCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' && error.code.startsWith('SQLITE_') ? error.code : undefined;
}

/** What a reader says of a file that is not a whole plan. */
export function damaged(path: string, what: string, cause?: unknown): OuaError {
  return new OuaError('PLAN_DAMAGED', `${path} is not a sound plan: ${what}`, 'plan again', { cause });
}

/**
 * Refuses what is no plan, or one of a newer format, from the file's first bytes alone: SQLite does not
 * get to see it.
 *
 * @throws OuaError `FILE_MISSING`, `PLAN_DAMAGED`, `PLAN_NEWER`.
 */
export function checkHeader(path: string): void {
  const header = readHeader(path);
  if (header.length < headerSize || !header.subarray(0, magic.length).equals(magic))
    throw damaged(path, 'it is no SQLite file');
  if (header.readUInt32BE(applicationIdAt) !== applicationId)
    throw damaged(path, 'it is a SQLite file of another program');
  const version = header.readUInt32BE(userVersionAt);
  if (version > formatVersion)
    throw new OuaError(
      'PLAN_NEWER',
      `${path} has plan format ${version}, this program reads up to ${formatVersion}`,
      'use the program that wrote it, or a newer one',
    );
  if (version < 1) throw damaged(path, `format version ${version} never was`);
}

/**
 * Checks an open plan as a whole: the schema is ours to the letter, SQLite finds its structure and its
 * constraints kept, and every value is the one that was written.
 *
 * @returns the plan's digest in hex
 * @throws OuaError `PLAN_DAMAGED`, `PLAN_INCOMPLETE`.
 */
export function checkDatabase(database: Database, path: string): string {
  checkSchema(database, path);
  const state = database.prepare('SELECT complete, digest FROM plan').get() as
    { complete: number; digest: Buffer | null } | undefined;
  if (state?.complete !== 1)
    throw new OuaError('PLAN_INCOMPLETE', `${path} was not written to its end`, 'remove it and plan again');
  const found = database.pragma('integrity_check(1)', { simple: true });
  if (found !== 'ok') throw damaged(path, String(found));
  if ((database.pragma('foreign_key_check') as unknown[]).length > 0)
    throw damaged(path, 'a row names another that is not there');
  const digest = digestPlan(database);
  if (!state.digest?.equals(digest)) throw damaged(path, 'its digest does not match');
  return digest.toString('hex');
}

function checkSchema(database: Database, path: string): void {
  const statements = database
    .prepare<[], string | null>(`SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_autoindex_%'`)
    .pluck()
    .all();
  const expected = new Set<string | null>(Object.values(tables));
  if (statements.length !== expected.size || !statements.every((sql) => expected.has(sql)))
    throw damaged(path, 'its tables are not those of a plan');
}

function readHeader(path: string): Buffer {
  let descriptor;
  try {
    descriptor = openSync(path, 'r');
    const header = Buffer.alloc(headerSize);
    return header.subarray(0, readSync(descriptor, header, 0, headerSize, 0));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new OuaError('FILE_MISSING', `${path} does not exist`, 'check the name', { cause: error });
    if (errnoOf(error) === 'EISDIR') throw damaged(path, 'it is a directory', error);
    throw error;
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}
