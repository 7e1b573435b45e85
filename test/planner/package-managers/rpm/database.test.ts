import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { findDatabase, readDatabase } from '../../../../src/planner/package-managers/rpm/database.js';
import { packageVersion } from '../../../../src/planner/package-managers/rpm/package.js';
import { rpm } from '../../../../src/planner/package-managers/rpm/rpm.js';
import { codeOf } from '../../../error-code.js';
import { buildRpm, everyKind, toDatabase } from './rpmbuild.js';

const directory = '/var/lib/rpm';
let folder: string;
let root: string;
let file: string;
let other: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oua-rpm-'));
  file = await buildRpm(folder, everyKind);
  const spec = everyKind.spec.replace(/every-kind/g, 'other').replace(/^Epoch.*\n/m, '');
  other = await buildRpm(folder, { name: 'other', spec });
});

afterAll(() => rmSync(folder, { recursive: true }));

beforeEach(() => {
  root = mkdtempSync(join(folder, 'guest-'));
  toDatabase(join(root, directory), '-i', file);
});

const names = (after?: number) =>
  readDatabase(root, directory, after).map(({ header }) => packageVersion(header).name);

test('what rpm has written to its database is read, and what is new since then', () => {
  const [first] = readDatabase(root, directory);
  expect(first && packageVersion(first.header)).toMatchObject({ name: 'every-kind', version: '3:1.0-2' });
  toDatabase(join(root, directory), '-i', other);
  expect(names()).toEqual(['every-kind', 'other']);
  expect(names(first!.number)).toEqual(['other']);
});

test('what is only in its write-ahead log is read, too, and the guest is left as it is', () => {
  const path = join(root, directory, 'rpmdb.sqlite');
  const held = new Database(path);
  try {
    // A reader keeps the log from being brought into the file when rpm ends.
    held.pragma('journal_mode = WAL');
    held.prepare('BEGIN').run();
    held.prepare('SELECT count(*) FROM Packages').get();
    toDatabase(join(root, directory), '-i', other);
    const before = readdirSync(join(root, directory));
    expect(names()).toEqual(['every-kind', 'other']);
    expect(readdirSync(join(root, directory))).toEqual(before);
  } finally {
    held.close();
  }
});

test('changes are those of the database', () => {
  const run = rpm.follow(root);
  toDatabase(join(root, directory), '-i', other);
  toDatabase(join(root, directory), '-e', 'every-kind');
  expect(run.changes()).toEqual([
    { name: 'every-kind', architecture: 'noarch', from: '3:1.0-2', to: undefined },
    { name: 'other', architecture: 'noarch', from: undefined, to: '1.0-2' },
  ]);
  expect(run.notes().map(({ text }) => text)).toEqual([
    expect.stringContaining('other.pretrans is in Lua'),
    expect.stringContaining('every-kind.pretrans is in Lua'),
  ]);
});

test('a database in another format is found, and refused by name', () => {
  rmSync(join(root, directory), { recursive: true });
  expect(findDatabase(root)).toBeUndefined();
  mkdirSync(join(root, directory));
  writeFileSync(join(root, directory, 'Packages.db'), '');
  expect(findDatabase(root)).toBe(directory);
  expect(codeOf(() => rpm.follow(root))).toBe('GUEST_UNSUPPORTED');
});

test('a damaged database, and one whose packages are a view, are refused', () => {
  const path = join(root, directory, 'rpmdb.sqlite');
  const database = new Database(path);
  database.pragma('journal_mode = DELETE');
  database.exec(`ALTER TABLE Packages RENAME TO Hidden; CREATE VIEW Packages AS SELECT * FROM Hidden`);
  database.close();
  expect(() => readDatabase(root, directory)).toThrow(/no table of packages/);
  writeFileSync(path, Buffer.alloc(8192, 1));
  expect(codeOf(() => readDatabase(root, directory))).toBe('GUEST_UNSUPPORTED');
});

test('the database of this host is not read through the guest’s symbolic link', () => {
  const outside = join(root, directory);
  const guest = mkdtempSync(join(folder, 'guest-'));
  mkdirSync(join(guest, 'var/lib'), { recursive: true });
  symlinkSync(outside, join(guest, directory));
  expect(findDatabase(guest)).toBeUndefined();
});
