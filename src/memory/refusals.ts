import { OuaError } from '../base/errors.js';

/** What to do about a file that cannot be used: the format that any QEMU can write. */
export const saveAgain = 'save the memory with QMP: dump-guest-memory paging=false protocol=file:…';

/** The file ends at `size`, before the byte `wanted` that it should reach. */
export function truncated(path: string, wanted: number, size: number): OuaError {
  return new OuaError(
    'MEMORY_TRUNCATED',
    `the memory image ${path} ends at byte ${size}, but should reach byte ${wanted}`,
    'suspend the guest again and save its whole memory; check the disk for space',
  );
}

/** The image holds nothing for a physical address. */
export function hole(path: string, address: number): OuaError {
  return new OuaError(
    'MEMORY_HOLE',
    `the memory image ${path} has no bytes for the physical address 0x${address.toString(16)}`,
    'save the whole memory of the guest, with all its memory devices',
  );
}

/** The file is not, or not in all its parts, of the format that it was taken for. */
export function unreadable(path: string, why: string, hint: string = saveAgain): OuaError {
  return new OuaError('MEMORY_FORMAT', `${path} is not a memory image that can be read: ${why}`, hint);
}

/** The file says two things of one physical address. */
export function describedTwice(path: string, address: number): OuaError {
  return new OuaError(
    'MEMORY_FORMAT',
    `the memory image ${path} describes the physical address 0x${address.toString(16)} twice`,
    'the file is damaged: save the memory of the guest again',
  );
}
