/** An entry of an initramfs. */
export interface CpioEntry {
  /** Without a leading `/`. */
  readonly path: string;
  /** st_mode of stat(2), type bits included. */
  readonly mode: number;
  readonly content?: Buffer;
  /** Major and minor number of a device node. */
  readonly device?: readonly [major: number, minor: number];
}

const TRAILER = 'TRAILER!!!';

/** An archive in cpio's newc format, as the kernel unpacks it: cpio(5), `Documentation/driver-api/early-userspace`. */
export function writeCpio(entries: readonly CpioEntry[]): Buffer {
  const parts = [...entries, { path: TRAILER, mode: 0 }].flatMap((entry, index) => {
    const content = entry.content ?? Buffer.alloc(0);
    const [major, minor] = ('device' in entry ? entry.device : undefined) ?? [0, 0];
    const name = `${entry.path}\0`;
    const numbers = [index + 1, entry.mode, 0, 0, 1, 0, content.length, 0, 0, major, minor, name.length, 0];
    const header = `070701${numbers.map((number) => number.toString(16).padStart(8, '0')).join('')}${name}`;
    return [aligned(Buffer.from(header, 'latin1')), aligned(content)];
  });
  return Buffer.concat(parts);
}

function aligned(bytes: Buffer): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
