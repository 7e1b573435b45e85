import { OuaError } from '../base/errors.js';

/**
 * What a qcow2 header says about other files, read by ourselves before any tool opens the image: the header
 * is the guest's or an attacker's to write, and QEMU follows the names in it.
 * Layout: QEMU docs/interop/qcow2.txt.
 */
export interface Qcow2Header {
  /** As written: relative to the image's directory, absolute, or a QEMU URL. */
  readonly backingFile: string | undefined;
  readonly backingFormat: string | undefined;
}

/** Bytes from the image's start that `parseQcow2` needs at most: header, extensions and names share a cluster. */
export const qcow2HeaderBytes = 64 << 10;

const magic = Buffer.from('QFI\xfb', 'latin1');
const incompatibleDataFile = 1n << 2n;
const extensionBackingFormat = 0xe2792aca;
const longestBackingName = 1023;
const headerLengthVersion2 = 72;

export function looksLikeQcow2(start: Buffer): boolean {
  return start.subarray(0, magic.length).equals(magic);
}

/**
 * @throws OuaError `DISK_FORMAT` for what we never open (an external data file, encryption, an unknown version),
 * `DISK_DAMAGED` for a header that contradicts itself.
 */
export function parseQcow2(path: string, start: Buffer): Qcow2Header {
  const damaged = (what: string) =>
    new OuaError('DISK_DAMAGED', `${path}: ${what}`, 'check the image with `qemu-img check`');
  const refused = (what: string, hint: string) => new OuaError('DISK_FORMAT', `${path}: ${what}`, hint);
  if (start.length < headerLengthVersion2 || !looksLikeQcow2(start))
    throw damaged('not a whole qcow2 header');

  const version = start.readUInt32BE(4);
  if (version !== 2 && version !== 3)
    throw refused(`qcow2 version ${version}`, 'convert it with `qemu-img convert -O qcow2`');
  if (start.readUInt32BE(32) !== 0)
    throw refused('the image is encrypted', 'decrypt a copy with `qemu-img convert`');
  if (version === 3 && start.length < 104) throw damaged('the header ends early');
  if (version === 3 && (start.readBigUInt64BE(72) & incompatibleDataFile) !== 0n)
    throw refused(
      'the image keeps its data in another file',
      'put it into one file with `qemu-img convert -O qcow2`',
    );

  const backingOffset = start.readBigUInt64BE(8);
  const backingLength = start.readUInt32BE(16);
  const headerLength = version === 3 ? start.readUInt32BE(100) : headerLengthVersion2;
  if (backingOffset === 0n) return { backingFile: undefined, backingFormat: undefined };
  const end = Number(backingOffset) + backingLength;
  if (backingLength === 0 || backingLength > longestBackingName || end > start.length)
    throw damaged('the name of its backing file is out of bounds');
  return {
    backingFile: start.toString('utf8', Number(backingOffset), end),
    backingFormat: backingFormat(start, headerLength, Number(backingOffset)),
  };
}

/** Extensions are (type, length, data padded to 8 bytes) up to a type of 0 or the backing file's name. */
function backingFormat(start: Buffer, headerLength: number, end: number): string | undefined {
  for (let at = headerLength; at + 8 <= Math.min(end, start.length);) {
    const type = start.readUInt32BE(at);
    const length = start.readUInt32BE(at + 4);
    if (type === 0) return undefined;
    if (type === extensionBackingFormat) return start.toString('latin1', at + 8, at + 8 + length);
    at += 8 + Math.ceil(length / 8) * 8;
  }
  return undefined;
}
