import { machineMemory } from './machine-ram.js';
import { readMigration } from './migration-stream.js';
import type { PagedMemory } from './paged-memory.js';
import type { ByteSource } from './source.js';

/**
 * QEMU's migration stream in a file, with or without mapped-ram. Takes charge of the file.
 * @param start where the stream begins in it
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`
 */
export function openMigration(file: ByteSource, format = 'migration', start = 0): PagedMemory {
  return machineMemory(file, format, readMigration(file, start));
}
