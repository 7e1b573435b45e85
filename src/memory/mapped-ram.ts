import { PageBitmap } from './bitmap.js';
import type { Cursor } from './cursor.js';
import type { BlockPages } from './migration-stream.js';
import { truncated, unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const newestVersion = 1;
const zeros = -1;

/**
 * The head of a RAM block in a stream with the capability mapped-ram (QEMU from 9.0, docs/devel/migration/mapped-ram.rst):
 * the pages have fixed places in the file, and a bitmap tells which were written; the others are zeros. Leaves the
 * cursor behind the block's pages, where the stream goes on.
 *
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`
 */
export function readMappedBlock(
  source: ByteSource,
  stream: Cursor,
  length: number,
  pageSize: number,
): BlockPages {
  const version = stream.be32();
  const size = stream.be64();
  const bitmapAt = stream.be64();
  const pagesAt = stream.be64();
  if (version > newestVersion || size !== pageSize)
    throw unreadable(source.path, `it has mapped RAM of version ${version} with pages of ${size} bytes`);
  const pages = length / pageSize;
  const bitmapEnd = bitmapAt + Math.ceil(pages / 8);
  if (bitmapEnd > source.size) throw truncated(source.path, bitmapEnd, source.size);
  if (bitmapAt < stream.at || pagesAt < bitmapEnd)
    throw unreadable(source.path, 'the parts of its mapped RAM lie one over the other');
  stream.seek(pagesAt + length);
  const written = new PageBitmap(source, bitmapAt, pages);
  return {
    at: (page) => (written.has(page) ? pagesAt + page * pageSize : zeros),
    runs: () => [[0, pages]],
  };
}
