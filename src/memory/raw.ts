import { architectureOf, boards, onePieceLimit, type Board } from './boards.js';
import { ExtentMemory } from './extent-memory.js';
import { boardByFirmwareMap } from './firmware-map.js';
import { unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const pageSize = 4096;

/**
 * RAM byte for byte, as a `memory-backend-file` holds it. The file says nothing about holes: up to 2.75 GiB no PC
 * has one; above, the memory map that the firmware left in the guest's memory decides, or the caller.
 * Takes charge of the file.
 *
 * @throws OuaError `MEMORY_FORMAT` for a size that is not whole pages, and when the board stays unknown.
 */
export function openRaw(file: ByteSource, board?: Board): ExtentMemory {
  if (file.size === 0 || file.size % pageSize !== 0)
    throw unreadable(file.path, `raw memory is whole pages, and it has ${file.size} bytes`);
  return rawOn(file, board ?? detectBoard(file));
}

function detectBoard(file: ByteSource): Board {
  return file.size < onePieceLimit ? 'flat' : boardByFirmwareMap(rawOn(file, 'flat'), file.size);
}

function rawOn(file: ByteSource, board: Board): ExtentMemory {
  return new ExtentMemory(file, {
    format: 'raw',
    architecture: architectureOf(board),
    extents: boards[board](file.size),
  });
}
