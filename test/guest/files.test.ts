import { createHash } from 'node:crypto';
import type { FileKind, GuestFile } from '../../src/guest/guest-files.js';
import { openGuest } from '../../src/guest/open.js';
import type { Guest } from '../../src/guest/guest.js';
import { openMemory } from '../../src/memory/open.js';
import { codeOf } from '../error-code.js';
import { memoryFileAttributes, memoryFiles } from '../lab/memory-files.js';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { findTime, foundFiles, foundSums, type FoundFile } from './memory-files.js';

const letters: Readonly<Record<FileKind, string>> = {
  file: 'f',
  directory: 'd',
  symlink: 'l',
  fifo: 'p',
  socket: 's',
  char: 'c',
  block: 'b',
};
const tops = ['/run', '/dev/shm', '/mnt'];
/** Of the captures themselves, and what the guest wrote after them. */
const passing = /^\/run(\/lab-captures.*|\/log\/journal.*|\/systemd\/journal.*|\/udev\/.*|\/qga\.state)?$/;

let lab: SuspendedGuest;
let guest: Guest;
let inside: Map<string, FoundFile>;
const ours = new Map<string, GuestFile>();

beforeAll(async () => {
  lab = await suspendedGuest();
  guest = openGuest(await openMemory(lab.memory));
  inside = foundFiles(await lab.inside('memory-files'));
  for (const top of tops)
    for (const { names, file } of guest.files.tree(top))
      if (file) ours.set([top, ...names.map((name) => name.toString('latin1'))].join('/'), file);
});
afterAll(() => guest[Symbol.dispose]());

test('the trees in memory are those that find lists, mounts and all', () => {
  const lasting = (paths: Iterable<string>) => [...paths].filter((path) => !passing.test(path)).sort();
  expect(inside.size).toBeGreaterThan(500);
  expect(lasting(ours.keys())).toEqual(lasting(inside.keys()));
  // A part of /run, in its place on the disk's file system.
  expect(lasting(inside.keys()).filter((path) => path.startsWith('/mnt/'))).toHaveLength(299);
  expect([...inside.keys()]).toContain(`${memoryFiles}/huge/data`);
  expect([...ours.keys()]).not.toContain(`${memoryFiles}/huge/below`);
});

test('every file has its type, owner, size, times and target', () => {
  for (const [path, found] of inside) {
    if (passing.test(path)) continue;
    const file = ours.get(path)!;
    const { uid, gid, mode, size, links, inode } = file;
    expect({
      path,
      ...{ type: letters[file.kind], mode, uid, gid, size, links, inode },
      modified: findTime(file.modified),
      changed: findTime(file.changed),
      target: file.target?.toString('latin1') ?? '',
      // Reading a link or a directory is what changes its time.
      accessed: file.kind === 'file' ? findTime(file.accessed) : found.accessed,
    }).toEqual({ path, ...found });
  }
});

test('every file has its bytes', async () => {
  const sums = foundSums(await lab.inside('memory-files-sums'));
  let compared = 0;
  for (const [path, sum] of sums) {
    if (passing.test(path)) continue;
    const content = ours.get(path)!.content!();
    expect([path, content.absent]).toEqual([path, []]);
    const bytes = Buffer.alloc(content.size);
    for (const piece of content.pieces()) piece.bytes.copy(bytes, piece.offset);
    expect([path, createHash('sha256').update(bytes).digest('hex')]).toEqual([path, sum]);
    compared++;
  }
  expect(compared).toBeGreaterThan(300);
});

test('holes are not read', () => {
  const pages = (name: string) =>
    [...ours.get(`${memoryFiles}/${name}`)!.content!().pieces()].reduce(
      (sum, { bytes }) => sum + bytes.length,
      0,
    );
  expect(pages('sparse')).toBe(4 * 4096);
  // Reserved only: what is in those frames was never this file's.
  expect(pages('reserved')).toBe(0);
  expect(pages('reserved-beyond')).toBe(5);
});

test('device nodes, extended attributes and access lists', () => {
  expect(ours.get(`${memoryFiles}/null`)).toMatchObject({ kind: 'char', node: { major: 1, minor: 3 } });
  expect(ours.get(`${memoryFiles}/disk`)).toMatchObject({
    kind: 'block',
    node: { major: 259, minor: 1_048_575 },
  });
  expect(ours.get(`${memoryFiles}/attributes`)?.xattrs).toEqual(Object.entries(memoryFileAttributes).sort());
  expect(ours.get(`${memoryFiles}/data`)?.xattrs).toEqual([]);
});

test('one file system alone has what is hidden under a mount, and not what is mounted', () => {
  const run = guest.mounts().find(({ mountPoint }) => mountPoint === '/run')!;
  const paths = Array.from(guest.files.memoryTree(run.device)!, ({ names }) =>
    names.map((name) => name.toString('latin1')).join('/'),
  );
  expect(paths).toContain('lab-files/huge/below');
  expect(paths).not.toContain('lab-files/huge/data');
  expect(paths).toContain('systemd/system');
  const root = guest.mounts().find(({ mountPoint }) => mountPoint === '/')!;
  expect(guest.files.memoryTree(root.device)).toBeUndefined();
  expect(guest.files.memoryTree({ major: 4000, minor: 1 })).toBeUndefined();
});

describe('a path', () => {
  test('leads where it led in the guest, through links and mounts', () => {
    const data = guest.files.find(`${memoryFiles}/data`);
    for (const path of ['short-link', 'many/../short-link', './twin', '../../run//lab-files/deep/triplet'])
      expect(guest.files.find(`${memoryFiles}/${path}`).inode).toBe(data.inode);
    expect(guest.files.find('/run/shm').inode).toBe(guest.files.find('/dev/shm').inode);
    expect(guest.files.find('/var/run')).toMatchObject({ kind: 'directory', fileSystem: 'tmpfs' });
    expect(guest.files.find('/').fileSystem).toBe('ext4');
    expect(guest.files.find('/../..').inode).toBe(guest.files.find('/').inode);
  });

  test('that is not there, or not known, is told apart', () => {
    const code = (path: string) => codeOf(() => guest.files.find(path));
    expect(code('/run/not-there')).toBe('NO_SUCH_FILE');
    expect(code(`${memoryFiles}/data/below`)).toBe('NO_SUCH_FILE');
    expect(code(`${memoryFiles}/many/7`)).toBe('NO_SUCH_FILE');
    expect(code('/usr/share/doc/not-looked-up')).toBe('NOT_IN_MEMORY');
    expect(code('/proc/self')).toBe('NOT_IN_MEMORY');
  });
});

test('a file of the disk has what is cached of it, and says what is not', async () => {
  const release = guest.files.find('/etc/machine-id');
  const content = release.content!();
  const bytes = Buffer.concat(Array.from(content.pieces(), (piece) => piece.bytes));
  expect(content.absent).toEqual([]);
  expect(bytes.toString()).toBe(await lab.inside('machine-id'));
  expect(release).toMatchObject({ fileSystem: 'ext4', xattrs: undefined });
  expect(guest.files.find('/etc').complete).toBe(false);
  // Nobody maps all of a shared library.
  const library = guest.files.find('/lib/x86_64-linux-gnu/libc.so.6').content!();
  const cached = Array.from(library.pieces(), (piece) => piece.bytes.length).reduce((a, b) => a + b, 0);
  const absent = library.absent.reduce((sum, { start, end }) => sum + end - start, 0);
  expect(cached).toBeGreaterThan(0);
  expect(cached + absent).toBe(library.size);
});

test('files that are made up when they are read have no bytes in memory', () => {
  const made = Array.from(guest.files.tree('/sys'), ({ file }) => file).find((file) => file?.content);
  expect(codeOf(made!.content!)).toBe('NOT_IN_MEMORY');
});
