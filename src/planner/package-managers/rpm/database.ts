import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { OuaError } from '../../../base/errors.js';
import { namesInShadow, readInShadow } from '../../../shadow/fs/read.js';
import { Header } from './header.js';

/** Where distributions keep it: Fedora and openSUSE, everyone before them, and Debian, whose root has one of its own. */
export const databaseDirectories = ['/usr/lib/sysimage/rpm', '/var/lib/rpm', '/root/.rpmdb'] as const;

const databaseFile = 'rpmdb.sqlite';
/** Of the other formats of rpm(8): Berkeley DB, which rpm no longer writes, and `ndb`. */
const otherFiles = ['Packages', 'Packages.db'];
/** Bytes: one of a very full system is some 300 MiB. */
const longestDatabase = 1 << 30;

/** A package of the database, by its number there: later ones have higher numbers. */
export interface DatabaseEntry {
  readonly number: number;
  readonly header: Header;
}

/** The directory of the guest's database; undefined: it has none. */
export function findDatabase(root: string): string | undefined {
  return databaseDirectories.find((directory) =>
    namesInShadow(root, directory).some((name) => name === databaseFile || otherFiles.includes(name)),
  );
}

/**
 * Reads the packages of the database in `directory`. A copy of it is read, by SQLite and nothing of the guest's: `rpm -qa`
 * would do as well, but a run of it is one more run of the guest's programs, and writes to the database's directory.
 *
 * @param after only packages with a higher number
 * @throws OuaError `GUEST_UNSUPPORTED` when it is in another format, or damaged
 */
export function readDatabase(root: string, directory: string, after = 0): DatabaseEntry[] {
  const file = join(directory, databaseFile);
  const content = readInShadow(root, file, longestDatabase);
  if (!content)
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `the guest's RPM database in ${directory} is not in SQLite's format`,
      'convert it in the guest with `rpmdb --rebuilddb`',
    );
  const folder = mkdtempSync(join(tmpdir(), 'ouassister-rpmdb-'));
  try {
    const copy = join(folder, databaseFile);
    writeFileSync(copy, content, { mode: 0o600 });
    // What rpm has not brought into the file yet, https://www.sqlite.org/wal.html.
    const log = readInShadow(root, `${file}-wal`, longestDatabase);
    if (log?.length) writeFileSync(`${copy}-wal`, log, { mode: 0o600 });
    return readPackages(copy, after).map(({ hnum, blob }) => ({ number: hnum, header: new Header(blob) }));
  } catch (error) {
    if (error instanceof OuaError) throw error;
    throw damaged(file, error);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

interface Row {
  readonly hnum: number;
  readonly blob: Buffer;
}

function readPackages(file: string, after: number): Row[] {
  const database = new Database(file, { fileMustExist: true });
  try {
    // The schema is the guest's: nothing in it gets to run.
    database.pragma('trusted_schema = OFF');
    database.pragma('cell_size_check = ON');
    const table = database
      .prepare<[], number>(`SELECT rootpage FROM sqlite_schema WHERE type = 'table' AND name = 'Packages'`)
      .pluck()
      .get();
    if (!table) throw damaged(databaseFile, 'it has no table of packages');
    const rows = database
      .prepare<[number], Row>('SELECT hnum, blob FROM Packages WHERE hnum > ? ORDER BY hnum')
      .all(after);
    if (!rows.every(({ hnum, blob }) => Number.isSafeInteger(hnum) && Buffer.isBuffer(blob)))
      throw damaged(databaseFile, 'a package of it is none');
    return rows;
  } finally {
    database.close();
  }
}

function damaged(file: string, cause: unknown): OuaError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new OuaError(
    'GUEST_UNSUPPORTED',
    `the guest's RPM database ${file} cannot be read: ${what}`,
    'run `rpmdb --verifydb` in the guest, and repair it',
    { cause },
  );
}
