import { createHash } from 'node:crypto';
import type { Database } from 'better-sqlite3';
import { tables } from './schema.js';

/** `content_chunk` is covered by the hash of each content; the digest can't cover itself. */
const digested = Object.keys(tables).filter((table) => table !== 'content_chunk');
const undigestedColumns = new Set(['digest', 'complete']);

/**
 * SHA-256, 32 bytes, over every value of the plan in a fixed order: tables as in the schema, rows by
 * primary key, columns as in the schema, each value with its type and length.
 *
 * SQLite has no checksums: without this, a flipped bit in a path would be another path. It is also the
 * plan's identity.
 */
export function digestPlan(database: Database): Buffer {
  const hash = createHash('sha256');
  for (const table of digested) {
    const columns = columnsOf(database, table);
    const key = columns.filter((column) => column.pk > 0).sort((a, b) => a.pk - b.pk);
    const names = columns.map((column) => column.name).filter((name) => !undigestedColumns.has(name));
    const rows = database
      .prepare<[], unknown[]>(
        `SELECT ${quoted(names)} FROM ${quoted([table])} ORDER BY ${quoted(key.map(({ name }) => name))}`,
      )
      .raw()
      .safeIntegers();
    hash.update(`${table}\n`);
    for (const row of rows.iterate()) for (const value of row) hash.update(encode(value));
  }
  return hash.digest();
}

function columnsOf(database: Database, table: string): { name: string; pk: number }[] {
  return database
    .prepare<[string], { name: string; pk: number }>('SELECT name, pk FROM pragma_table_info(?) ORDER BY cid')
    .all(table);
}

function quoted(names: readonly string[]): string {
  return names.map((name) => `"${name}"`).join(', ');
}

function encode(value: unknown): Buffer {
  if (Buffer.isBuffer(value)) return Buffer.concat([Buffer.from(`b${value.length}:`), value]);
  if (value === null) return Buffer.from('n');
  // Strings, and numbers as better-sqlite3 gives them: `bigint` for INTEGER, `number` for REAL.
  const text = Buffer.from(`${value as string | bigint | number}`);
  return Buffer.concat([Buffer.from(`${(typeof value).charAt(0)}${text.length}:`), text]);
}
