import { writeSync } from 'node:fs';
import { errnoOf, exitStatus, OuaError } from '../base/errors.js';
import type {
  FileContent,
  FileKind,
  FileTime,
  GuestFile,
  GuestFiles,
  TreeEntry,
} from '../guest/guest-files.js';
import { printable, printText } from './output.js';

/** First letter of a mode, as ls(1) prints it. */
const letters: Readonly<Record<FileKind, string>> = {
  file: '-',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  char: 'c',
  block: 'b',
};
/** Lines that are written at once. */
const batch = 512;
const zeros = Buffer.alloc(1 << 16);
const rangesNamed = 5;

/** Lists a tree, a line for each file: mode, links, owner, group, size or device, time, path. */
export function printTree(files: GuestFiles, path: string): void {
  let lines: string[] = [];
  for (const entry of files.tree(path)) {
    lines.push(line(path, entry));
    if (lines.length < batch) continue;
    printText(lines.join('\n'));
    lines = [];
  }
  if (lines.length > 0) printText(lines.join('\n'));
}

function line(top: string, { names, file }: TreeEntry): string {
  const path = printable(joined(top, names));
  if (!file) return `${'(looked up, does not exist)'.padEnd(61)} ${path}`;
  const size = file.node ? `${file.node.major}, ${file.node.minor}` : file.size.toString();
  const columns = [
    letters[file.kind] + permissions(file.mode),
    String(file.links).padStart(3),
    String(file.uid).padStart(5),
    String(file.gid).padStart(5),
    size.padStart(11),
    timeText(file.modified).slice(0, 19).replace('T', ' ').padEnd(19),
    path + arrow(file) + (file.complete === false ? ' (what is cached of it)' : ''),
  ];
  return columns.join(' ');
}

function arrow(file: GuestFile): string {
  if (file.kind !== 'symlink') return '';
  return ` -> ${file.target ? printable(file.target.toString('utf8')) : '(not in memory)'}`;
}

function permissions(mode: number): string {
  const flags = [0o4000, 0o2000, 0o1000];
  return [6, 3, 0]
    .map((shift, index) => {
      const bits = mode >> shift;
      const special = (mode & (flags[index] ?? 0)) !== 0;
      const letter = index === 2 ? 't' : 's';
      const execute = special ? (bits & 1 ? letter : letter.toUpperCase()) : bits & 1 ? 'x' : '-';
      return `${bits & 4 ? 'r' : '-'}${bits & 2 ? 'w' : '-'}${execute}`;
    })
    .join('');
}

/** What `inspect --tree --json` prints. */
export function treeDocument(files: GuestFiles, path: string): object {
  return { tree: { path, entries: Array.from(files.tree(path), (entry) => entryDocument(path, entry)) } };
}

function entryDocument(top: string, { names, file }: TreeEntry): object {
  const path = joined(top, names);
  if (!file) return { path, exists: false };
  const { accessed, modified, changed, mode, target, xattrs, ...rest } = file;
  return {
    path,
    exists: true,
    ...rest,
    mode: mode.toString(8).padStart(4, '0'),
    accessed: timeText(accessed),
    modified: timeText(modified),
    changed: timeText(changed),
    ...(file.kind === 'symlink' ? { target: target?.toString('utf8') ?? null } : {}),
    xattrs: xattrs
      ? Object.fromEntries(xattrs.map(([name, value]) => [name, value.toString('base64')]))
      : null,
  };
}

function joined(top: string, names: readonly Buffer[]): string {
  const base = top.replace(/\/+$/, '');
  return [base, ...names.map((name) => name.toString('utf8'))].join('/') || '/';
}

/** ISO 8601 with nanoseconds; the bare seconds beyond the years that have four digits. */
function timeText({ seconds, nanoseconds }: FileTime): string {
  if (seconds < -62_167_219_200n || seconds > 253_402_300_799n) return `@${seconds}`;
  const date = new Date(Number(seconds) * 1000).toISOString();
  return `${date.slice(0, 19)}.${String(nanoseconds).padStart(9, '0')}Z`;
}

/**
 * Writes a file's bytes to standard output.
 * @throws OuaError `USAGE` when it is no regular file, `NOT_IN_MEMORY` with what is missing
 */
export function printFile(files: GuestFiles, path: string): void {
  const { kind, content } = files.find(path);
  if (!content) throw new OuaError('USAGE', `the guest's ${path} is a ${kind}`, 'name a regular file');
  const held = content();
  if (held.absent.length > 0) throw notAllThere(path, held);
  let done = 0;
  const fill = (end: number) => {
    while (done < end) done += write(zeros.subarray(0, Math.min(zeros.length, end - done)));
  };
  for (const { offset, bytes } of held.pieces()) {
    fill(offset);
    done += write(bytes);
  }
  fill(held.size);
}

function notAllThere(path: string, { size, absent }: FileContent): OuaError {
  const named = absent
    .slice(0, rangesNamed)
    .map(({ start, end, reason }) => `bytes ${start} to ${end - 1} (${reason})`)
    .join(', ');
  const more = absent.length > rangesNamed ? ` and ${absent.length - rangesNamed} more ranges` : '';
  return new OuaError(
    'NOT_IN_MEMORY',
    `of the ${size} bytes of the guest's ${path}, memory does not have ${named}${more}`,
    'the file may be on the disk or in the swap space',
  );
}

/** Writes all of it, to a pipe that is full too: a large file must not pile up in this process. */
function write(bytes: Buffer): number {
  for (let done = 0; done < bytes.length;) {
    try {
      done += writeSync(process.stdout.fd, bytes, done);
    } catch (error) {
      // As for text: whoever reads it may have seen enough.
      if (errnoOf(error) === 'EPIPE') process.exit(exitStatus.done);
      if (errnoOf(error) !== 'EAGAIN') throw error;
      Atomics.wait(pause, 0, 0, 1);
    }
  }
  return bytes.length;
}

const pause = new Int32Array(new SharedArrayBuffer(4));
