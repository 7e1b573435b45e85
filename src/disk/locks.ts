import { readFileSync, statSync } from 'node:fs';
import { OuaError } from '../base/errors.js';

/** QEMU locks this byte of an image while it may write to it: RAW_LOCK_PERM_BASE + BLK_PERM_WRITE, block/file-posix.c. */
const writerByte = 101;

/**
 * QEMU itself lets a reader of a raw image in beside a writer; for us the disk must stand still.
 *
 * @throws OuaError `GUEST_BUSY` when a QEMU holds the image at `path` for writing
 */
export function requireNoWriter(path: string): void {
  const { dev, ino } = statSync(path);
  // proc_locks(5): number, kind, manner, access, pid, major:minor:inode, first byte, last byte or EOF.
  const writer = readFileSync('/proc/locks', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find(([, kind, , , , file, first, last]) => {
      if (kind !== 'OFDLCK' || file !== `${deviceName(dev)}:${ino}`) return false;
      return Number(first) <= writerByte && (last === 'EOF' || Number(last) >= writerByte);
    });
  if (writer)
    throw new OuaError(
      'GUEST_BUSY',
      `${path} is in use by a running QEMU`,
      'suspend the VM and end its QEMU, or work on a copy',
    );
}

/** As the kernel prints it there: two hexadecimal numbers of at least two digits. */
function deviceName(dev: number): string {
  const major = (dev >>> 8) & 0xfff;
  const minor = (dev & 0xff) | ((dev >>> 12) & 0xfff00);
  return [major, minor].map((part) => part.toString(16).padStart(2, '0')).join(':');
}
