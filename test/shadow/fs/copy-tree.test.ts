import * as fs from 'node:fs';
import { join } from 'node:path';
import { OuaError } from '../../../src/base/errors.js';
import type { FileContent, TreeEntry } from '../../../src/guest/guest-files.js';
import { copyTree } from '../../../src/shadow/fs/copy-tree.js';
import { HostTree } from '../../../src/shadow/fs/host-tree.js';
import { run, temporaryDirectory } from '../../disk/images.js';
import { codeOf } from '../../error-code.js';
import { guestFile, textFile, treeOf } from './memory-tree.js';

let folder: { path: string } & Disposable;
let top: string;

beforeEach(() => {
  folder = temporaryDirectory();
  top = join(folder.path, 'top');
  fs.mkdirSync(top);
  // As in the shadow: a tmpfs has attributes that a disk's file system may not have.
  run('mount', '-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', top);
});
afterEach(() => {
  run('umount', top);
  folder[Symbol.dispose]();
});

function copy(entries: Iterable<TreeEntry>, room = { bytes: 1 << 20, names: 1000 }): string[] {
  const leftOut: string[] = [];
  copyTree(top, entries, room, (names, reason) =>
    leftOut.push(`${names.map((name) => name.toString()).join('/')}: ${reason}`),
  );
  return leftOut;
}
const stat = (path: string) => fs.lstatSync(join(top, path), { bigint: true });

test('every kind of file comes with its owner, mode and times', () => {
  const owned = { uid: 4_000_000_000, gid: 7, mode: 0o4751 };
  const node = { major: 259, minor: 1_048_575 };
  const modified = { seconds: -6n, nanoseconds: 500_000_000 };
  const accessed = { seconds: 5_000_000_000n, nanoseconds: 1 };
  const times = { modified, accessed };
  const leftOut = copy(
    treeOf(
      {
        directory: guestFile('directory', { ...times, uid: 1, mode: 0o3770 }),
        'directory/file': textFile('some text', { ...owned, ...times }),
        link: guestFile('symlink', { target: Buffer.from('/etc/passwd'), ...owned, ...times }),
        fifo: guestFile('fifo', { ...owned, ...times }),
        socket: guestFile('socket', { ...owned, ...times }),
        char: guestFile('char', { ...owned, ...times, node }),
        block: guestFile('block', { ...owned, ...times, node }),
        '\xff\xfe\n': textFile(''),
        unknown: undefined,
      },
      guestFile('directory', { mode: 0o1711, gid: 9, ...times }),
    ),
  );
  expect(leftOut).toEqual([]);
  const types: Record<string, number> = { 'directory/file': 0o100000, fifo: 0o10000, socket: 0o140000 };
  for (const [path, type] of Object.entries({ ...types, char: 0o20000, block: 0o60000, link: 0o120000 })) {
    const found = stat(path);
    expect([path, found.mode]).toEqual([path, BigInt(type | (path === 'link' ? 0o777 : 0o4751))]);
    expect(found).toMatchObject({ uid: 4_000_000_000n, gid: 7n, mtimeNs: -5_500_000_000n });
    expect(found.atimeNs).toBe(5_000_000_000_000_000_001n);
  }
  expect(run('stat', '--format', '%Hr %Lr', join(top, 'char')).trim()).toBe('259 1048575');
  expect(stat('directory')).toMatchObject({ mode: 0o43770n, uid: 1n, mtimeNs: -5_500_000_000n });
  expect(stat('')).toMatchObject({ mode: 0o41711n, gid: 9n, mtimeNs: -5_500_000_000n });
  expect(fs.readFileSync(join(top, 'directory/file'), 'utf8')).toBe('some text');
  expect(fs.readlinkSync(join(top, 'link'))).toBe('/etc/passwd');
  expect(fs.readdirSync(top, 'latin1').sort()).toContain('\xff\xfe\n');
  expect(fs.existsSync(join(top, 'unknown'))).toBe(false);
});

test('names of one file stay names of one file', () => {
  const twin = textFile('both', { links: 3 });
  const sameNumber = textFile('another', {
    links: 2,
    inode: twin.inode,
    changed: { seconds: 1n, nanoseconds: 0 },
  });
  copy(treeOf({ a: twin, below: guestFile('directory'), 'below/b': twin, c: sameNumber }));
  expect(stat('a')).toMatchObject({ ino: stat('below/b').ino, nlink: 2n });
  expect(stat('c').ino).not.toBe(stat('a').ino);
  expect(fs.readFileSync(join(top, 'c'), 'utf8')).toBe('another');
});

test('holes stay holes', () => {
  const content: FileContent = {
    size: 2 ** 40,
    absent: [],
    pieces: () => [{ offset: 2 ** 39, bytes: Buffer.from('deep') }],
  };
  copy(treeOf({ sparse: guestFile('file', { content: () => content }) }));
  expect(stat('sparse')).toMatchObject({ size: 2n ** 40n, blocks: 8n });
  const found = Buffer.alloc(6);
  const fd = fs.openSync(join(top, 'sparse'), 'r');
  fs.readSync(fd, found, 0, 6, 2 ** 39 - 1);
  fs.closeSync(fd);
  expect(found.toString('latin1')).toBe('\0deep\0');
});

test('extended attributes and access lists', () => {
  const acl = Buffer.from(
    '0200000001000600ffffffff020004002100000004000400ffffffff10000400ffffffff20000000ffffffff',
    'hex',
  );
  const xattrs = [
    ['system.posix_acl_access', acl],
    ['trusted.lab', Buffer.from([0, 0xff])],
  ] as const;
  const byDefault = guestFile('directory', { xattrs: [['system.posix_acl_default', acl]] });
  const leftOut = copy(
    treeOf({ byDefault, 'byDefault/plain': textFile(''), file: textFile('', { xattrs, mode: 0o640 }) }),
  );
  expect(leftOut).toEqual([]);
  const tree = new HostTree(top);
  expect(tree.xattrs('file')).toEqual(xattrs);
  expect(tree.xattrs('byDefault')).toEqual(byDefault.xattrs);
  expect(tree.xattrs('byDefault/plain')).toEqual([]);
  expect(stat('file').mode).toBe(0o100640n);
});

test('what memory does not have is left out and told, never made up', () => {
  const swapped: FileContent = {
    size: 9,
    absent: [{ start: 0, end: 9, reason: 'swapped out' }],
    pieces: () => [],
  };
  const torn = () => {
    throw new OuaError('GUEST_INCONSISTENT', 'its pages are torn', 'suspend it again');
  };
  const leftOut = copy(
    treeOf({
      swapped: guestFile('file', { content: () => swapped }),
      torn: guestFile('file', { content: torn }),
      link: guestFile('symlink', { target: undefined }),
      whole: textFile('whole', { xattrs: undefined }),
      other: textFile('whole', { xattrs: undefined }),
      strange: textFile('whole', { xattrs: [['nothing.known', Buffer.alloc(0)]] }),
    }),
  );
  expect(leftOut).toEqual([
    'swapped: swapped out',
    'torn: its pages are torn',
    'link: where it leads is not in memory',
    'whole: its extended attributes, and those of other files, are not known',
    'strange: this host does not take its attribute nothing.known: ENOTSUP',
  ]);
  expect(fs.readdirSync(top).sort()).toEqual(['other', 'strange', 'whole']);
});

test('a walk that meets a contradiction ends the copy, not the plan', () => {
  function* broken(): Generator<TreeEntry> {
    yield* treeOf({ a: textFile('there') });
    throw new OuaError('GUEST_INCONSISTENT', 'a list is torn', 'suspend it again');
  }
  expect(copy(broken())).toEqual([': not read to its end: a list is torn']);
  expect(fs.readFileSync(join(top, 'a'), 'utf8')).toBe('there');
});

test('no name and no link leads out of the directory', () => {
  const outside = join(folder.path, 'outside');
  fs.mkdirSync(outside);
  const link = guestFile('symlink', { target: Buffer.from(outside) });
  for (const name of ['link/file', '../outside/file', '..', '.', ''])
    expect(() =>
      copy(treeOf({ [name === 'link/file' ? 'link' : `x${name.length}`]: link, [name]: textFile('') })),
    ).toThrow(/ELOOP|EXDEV|EINVAL|EEXIST|ENOTDIR/);
  expect(fs.readdirSync(outside)).toEqual([]);
  expect(fs.readdirSync(folder.path).sort()).toEqual(['outside', 'top']);
});

test('a path that is longer than the host takes is left out', () => {
  const names = Array.from({ length: 20 }, () => Buffer.alloc(255, 'n'));
  const entries = names.map((_, depth) => ({ names: names.slice(0, depth), file: guestFile('directory') }));
  expect(copy(entries)).toHaveLength(3);
});

test('there is a limit to what is copied', () => {
  const refused = (entries: Iterable<TreeEntry>, room: { bytes: number; names: number }) =>
    codeOf(() => copy(entries, room));
  const sparse: FileContent = {
    size: 2 ** 30,
    absent: [],
    pieces: () => [{ offset: 4096, bytes: Buffer.from('45') }],
  };
  const files = {
    a: textFile('123'),
    b: textFile('4'.repeat(5000)),
    sparse: guestFile('file', { content: () => sparse }),
  };
  expect(copy(treeOf(files), { bytes: 8192, names: 9 })).toEqual(['b: too large']);
  expect(fs.readdirSync(top)).toEqual(['a', 'sparse']);
  expect(refused(treeOf({ c: textFile(''), d: textFile('') }), { bytes: 5, names: 2 })).toBe(
    'GUEST_UNSUPPORTED',
  );
  const large = 'x'.repeat(9 << 20);
  expect(refused(treeOf({ e: textFile(large) }), { bytes: 1 << 30, names: 9 })).toBe('GUEST_UNSUPPORTED');
});
