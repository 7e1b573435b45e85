import { readSync } from 'node:fs';
import { broken, Header, headerSize } from './header.js';

/** rpm's docs/manual/format.md: the lead, then the signature header, padded to eight bytes, then the header. */
const leadSize = 96;
const magic = Buffer.from([0x8e, 0xad, 0xe8, 0x01, 0, 0, 0, 0]);

/**
 * Reads the header of a package file.
 *
 * @param descriptor of a regular file
 * @throws OuaError `GUEST_UNSUPPORTED` when it is no RPM package
 */
export function readPackageFile(descriptor: number): Header {
  const signature = sizeAt(descriptor, leadSize);
  const padded = Math.ceil(signature / 8) * 8;
  const start = leadSize + magic.length + padded;
  const size = sizeAt(descriptor, start);
  return new Header(readAt(descriptor, start + magic.length, size));
}

/** Of the header whose magic is at `position`, without that. */
function sizeAt(descriptor: number, position: number): number {
  const start = readAt(descriptor, position, magic.length + 8);
  if (!start.subarray(0, magic.length).equals(magic)) throw broken('it has another magic');
  return headerSize(start.subarray(magic.length)).size;
}

function readAt(descriptor: number, position: number, size: number): Buffer {
  const bytes = Buffer.alloc(size);
  for (let filled = 0; filled < size;) {
    const read = readSync(descriptor, bytes, filled, size - filled, position + filled);
    if (read === 0) throw broken('it is cut off');
    filled += read;
  }
  return bytes;
}
