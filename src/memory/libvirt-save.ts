import { OuaError } from '../base/errors.js';
import { libvirtPartial } from './marks.js';
import { openMigration } from './migration.js';
import type { PagedMemory } from './paged-memory.js';
import { unreadable } from './refusals.js';
import type { ImageFile } from './source.js';
import { unpack, type Compression } from './unpack.js';

const headerSize = 92;
const newestVersion = 3;

/**
 * How the stream is stored, by its number in the header (virQEMUSaveFormat, src/qemu/qemu_saveimage.h).
 * `sparse` is a mapped-ram stream, which states its own offsets in the whole file.
 */
const storage: readonly ('plain' | Compression)[] = [
  'plain', // raw
  'gzip',
  'bzip2',
  'xz',
  'lzop',
  'zstd',
  'plain', // sparse
];

/**
 * What `virsh save` writes: a header of 92 bytes, the domain's XML, and QEMU's migration stream, which may be
 * compressed; then it is decompressed once into a temporary file. Takes charge of the file.
 *
 * @throws OuaError `MEMORY_TRUNCATED` for a save that was not finished, and as {@link unpack} and {@link openMigration}
 */
export async function openLibvirtSave(file: ImageFile): Promise<PagedMemory> {
  const header = file.read(0, headerSize);
  if (header.subarray(0, libvirtPartial.length).equals(libvirtPartial))
    throw new OuaError(
      'MEMORY_TRUNCATED',
      `libvirt did not finish the save ${file.path}`,
      'save the guest again; check the disk for space',
    );
  const number = numbers(header);
  const version = number(16);
  if (version < 1 || version > newestVersion)
    throw unreadable(file.path, `it has version ${version} of libvirt's format`);
  const how = storage[number(28)];
  if (how === undefined) throw unreadable(file.path, `it is compressed in an unknown way (${number(28)})`);
  const start = headerSize + number(20);
  if (how === 'plain') return openMigration(file, 'libvirt', start);
  const stream = await unpack(file, start, how);
  try {
    const memory = openMigration(stream, 'libvirt');
    file[Symbol.dispose]();
    return memory;
  } catch (error) {
    stream[Symbol.dispose]();
    throw error;
  }
}

/** The header is in the byte order of the host that wrote it: its version is a small number in one of them. */
function numbers(header: Buffer): (offset: number) => number {
  return header.readUInt32LE(16) <= 0xffff
    ? (offset) => header.readUInt32LE(offset)
    : (offset) => header.readUInt32BE(offset);
}
