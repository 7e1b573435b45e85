import type { FileTime } from '../../src/guest/guest-files.js';

/** One line of the capture `memory-files`: find(1)'s words for a file. */
export interface FoundFile {
  readonly type: string;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: bigint;
  readonly links: number;
  readonly inode: bigint;
  readonly accessed: string;
  readonly modified: string;
  readonly changed: string;
  readonly target: string;
}

/** The capture `memory-files`, by path; one character a byte. */
export function foundFiles(base64: string): Map<string, FoundFile> {
  const text = Buffer.from(base64, 'base64').toString('latin1');
  const files = new Map<string, FoundFile>();
  const fields = text.split('\0').slice(0, -1);
  for (let at = 0; at < fields.length; at += 2) {
    const [type, mode, uid, gid, size, links, inode, accessed, modified, changed, ...path] = (
      fields[at] as string
    ).split(' ');
    files.set(path.join(' '), {
      type: type!,
      mode: parseInt(mode!, 8),
      uid: Number(uid),
      gid: Number(gid),
      size: BigInt(size!),
      links: Number(links),
      inode: BigInt(inode!),
      accessed: accessed!,
      modified: modified!,
      changed: changed!,
      target: fields[at + 1] as string,
    });
  }
  return files;
}

/** The capture `memory-files-sums`: SHA-256 by path, one character a byte. */
export function foundSums(base64: string): Map<string, string> {
  const text = Buffer.from(base64, 'base64').toString('latin1');
  return new Map(
    text
      .split('\0')
      .slice(0, -1)
      .map((line) => [line.slice(66), line.slice(0, 64)]),
  );
}

/** A time as find's `%T@` prints it. */
export function findTime({ seconds, nanoseconds }: FileTime): string {
  // Before 1970, too, the fraction counts forwards: find prints the two numbers as they are.
  return `${seconds}.${String(nanoseconds).padStart(9, '0')}0`;
}
