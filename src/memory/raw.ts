import { OuaError } from '../base/errors.js';
import type { ExtentImage, ImageFile } from './extent-memory.js';

/** Up to here both of QEMU's PC boards have RAM in one piece from address 0 (q35 splits from 2.75 GiB on). */
const onePieceLimit = 0xb0000000;
const pageSize = 4096;

/**
 * RAM byte for byte, as a `memory-backend-file` holds it. The file says nothing about holes, so only sizes that
 * have none on any board are taken.
 *
 * @throws OuaError `MEMORY_FORMAT` for larger files and for sizes that are not whole pages.
 */
export function readRaw(file: ImageFile): ExtentImage {
  if (file.size === 0 || file.size % pageSize !== 0 || file.size > onePieceLimit)
    throw new OuaError(
      'MEMORY_FORMAT',
      `${file.path} cannot be raw guest memory that lies in one piece: it has ${file.size} bytes`,
      'save the memory with QMP: dump-guest-memory paging=false protocol=file:…',
    );
  return {
    format: 'raw',
    architecture: undefined,
    extents: [{ address: 0, length: file.size, offset: 0 }],
  };
}
