import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { decompress } from 'fzstd';

const headerSize = 110;
const newc = '070701';
const trailer = 'TRAILER!!!';

/** How the parts of an initrd may be compressed, by their first bytes: what mkinitramfs makes in the lab's guests. */
const compressions: readonly (readonly [magic: string, decode: (bytes: Buffer) => Uint8Array])[] = [
  ['28b52ffd', (bytes) => decompress(bytes)],
  ['1f8b', (bytes) => gunzipSync(bytes)],
];

/**
 * What an initrd holds, a line for each entry: name, mode, owner, device, and the content's hash. It is one cpio
 * archive in newc format (cpio(5)) behind another, of which the last may be compressed. Inode numbers and times, which
 * mkinitramfs takes from a temporary directory, are left out.
 *
 * @throws Error for bytes that are nothing of this
 */
export function initrdListing(bytes: Buffer): string {
  const lines: string[] = [];
  for (let rest = bytes; rest.length > 0;) {
    const compression = compressions.find(([magic]) => rest.toString('hex', 0, magic.length / 2) === magic);
    if (compression) rest = Buffer.from(compression[1](rest));
    rest = skipZeros(rest.subarray(readArchive(rest, lines)));
  }
  return lines.sort().join('\n');
}

/** Adds a line for each entry of the archive at the start; returns its length. */
function readArchive(bytes: Buffer, lines: string[]): number {
  for (let at = 0; ;) {
    if (bytes.toString('latin1', at, at + newc.length) !== newc) throw new Error('this is no initrd');
    const field = (index: number) =>
      Number.parseInt(bytes.toString('latin1', at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const [mode, uid, gid, size] = [field(1), field(2), field(3), field(6)];
    const [major, minor, nameSize] = [field(9), field(10), field(11)];
    const name = bytes.toString('latin1', at + headerSize, at + headerSize + nameSize - 1);
    const start = aligned(at + headerSize + nameSize);
    const content = bytes.subarray(start, start + size);
    at = aligned(start + size);
    if (name === trailer) return at;
    const hash = createHash('sha256').update(content).digest('hex');
    lines.push(`${name} ${mode.toString(8)} ${uid}:${gid} ${major}:${minor} ${hash}`);
  }
}

function aligned(offset: number): number {
  return Math.ceil(offset / 4) * 4;
}

function skipZeros(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  return start < 0 ? Buffer.alloc(0) : bytes.subarray(start);
}
