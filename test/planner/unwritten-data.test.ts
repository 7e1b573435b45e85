import { linkSync, lstatSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FileLock, Mount, Process, UnwrittenFile } from '../../src/guest/guest.js';
import { DiskFiles } from '../../src/planner/disk-files.js';
import { requireNoLock, requireNoneRunning } from '../../src/planner/guest-state.js';
import { dpkg } from '../../src/planner/package-managers/dpkg/dpkg.js';
import { UnwrittenData } from '../../src/planner/unwritten-data.js';
import { codeOf } from '../error-code.js';

const device = { major: 254, minor: 1 };
const otherDevice = { major: 254, minor: 2 };
let root: string;
let disk: DiskFiles;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ouassister-test-'));
  for (const path of ['var/lib/dpkg', 'var/lib/apt', 'etc/apt', 'srv'])
    mkdirSync(join(root, path), { recursive: true });
  // Nothing has changed yet: what the update sees is what the disk has.
  const layer = { at: '/', onDisk: true, root: '/', lower: root, merged: root, upper: root, limit: 1 << 20 };
  disk = new DiskFiles([layer], [{ mountPoint: '/', device } as Mount]);
});

afterEach(() => rmSync(root, { recursive: true }));

function inodeOf(path: string): bigint {
  return lstatSync(join(root, path), { bigint: true }).ino;
}

function make(path: string): string {
  writeFileSync(join(root, path), '');
  return path;
}

describe('unwritten data', () => {
  const of = (...files: Partial<UnwrittenFile>[]) =>
    new UnwrittenData(
      { unwrittenFiles: () => files.map((file) => ({ device, inode: 99_999_999n, kind: 'data', ...file })) },
      disk,
    );

  test.each([
    ["dpkg's", { path: '/var/lib/dpkg/status' }, 'GUEST_UNSYNCED'],
    ["apt's configuration", { path: '/etc/apt/sources.list' }, 'GUEST_UNSYNCED'],
    ['of no known name', {}, 'GUEST_UNSYNCED'],
    ['of no known name on a disk that the shadow does not have', { device: otherDevice }, 'none'],
    ["dpkg's, but only its metadata", { path: '/var/lib/dpkg/status', kind: 'metadata' }, 'none'],
    ['of something else', { path: '/var/lib/dpkgs' }, 'none'],
  ] as const)('%s', (_what, file, code) => {
    expect(codeOf(() => of(file).requireDatabases(root, dpkg.databases))).toBe(code);
  });

  test("of apt's, where its directory is a symbolic link", () => {
    rmSync(join(root, 'var/lib/apt'), { recursive: true });
    symlinkSync('/srv', join(root, 'var/lib/apt'));
    expect(codeOf(() => of({ path: '/srv/lists' }).requireDatabases(root, dpkg.databases))).toBe(
      'GUEST_UNSYNCED',
    );
  });

  test('of what the plan changes: by name, and by another name of the same file', () => {
    make('srv/a');
    linkSync(join(root, 'srv/a'), join(root, 'srv/b'));
    const file = of({ path: '/srv/a', inode: inodeOf('srv/a') });
    expect(codeOf(() => file.requireTouched(new Set(['/srv/a'])))).toBe('GUEST_UNSYNCED');
    expect(codeOf(() => file.requireTouched(new Set(['/srv/b'])))).toBe('GUEST_UNSYNCED');
    expect(codeOf(() => file.requireTouched(new Set(['/srv', '/srv/c'])))).toBe('none');
    const fresh = of({ path: '/srv/\u00e9' });
    expect(codeOf(() => fresh.requireTouched(new Set([Buffer.from('/srv/\u00e9').toString('latin1')])))).toBe(
      'GUEST_UNSYNCED',
    );
  });

  test('is told once, data first, and not at all when there is none', () => {
    expect(of().note()).toBeUndefined();
    const names = ['/a', '/b', '/c', '/d', '/e', '/f'];
    const note = of({ path: '/m', kind: 'metadata' }, ...names.map((path) => ({ path }))).note();
    expect(note).toEqual({
      code: 'UNWRITTEN_DATA',
      text: "the guest had not written 6 files' data and perhaps 1 files' metadata to its disk: /a, /b, /c, /d, /e and 2 more",
    });
  });
});

describe('a lock', () => {
  const check = (lock: Partial<FileLock>) => () => {
    const held: FileLock = {
      ...{ kind: 'POSIX', access: 'WRITE', pid: 42, device, inode: 99_999_999n, start: 0n, end: 0n },
      ...lock,
    };
    const guest = { processes: () => [{ comm: 'renamed', pid: 42 } as Process], fileLocks: () => [held] };
    requireNoLock(root, dpkg.lockFiles, guest, disk);
  };

  test("on dpkg's file is told with its holder, found by inode or by name", () => {
    make('var/lib/dpkg/lock');
    const words = /renamed \(pid 42\) held the lock \/var\/lib\/dpkg\/lock$/;
    expect(check({ inode: inodeOf('var/lib/dpkg/lock') })).toThrow(words);
    expect(check({ path: '/var/lib/dpkg/lock' })).toThrow(words);
    expect(codeOf(check({ path: '/var/cache/apt/archives/lock', pid: undefined }))).toBe('GUEST_BUSY');
  });

  test('on another file, or on a file of the same number elsewhere, is none of ours', () => {
    make('var/lib/dpkg/lock');
    expect(check({ path: '/srv/lock' })).not.toThrow();
    expect(check({ inode: inodeOf('var/lib/dpkg/lock'), device: otherDevice })).not.toThrow();
  });
});

test('a running package manager is named with its pid', () => {
  const running = (comm: string) => ({ processes: () => [{ comm, pid: 42 } as Process] });
  expect(() => requireNoneRunning(dpkg.programs, running('apt-get'))).toThrow(/apt-get \(pid 42\)/);
  expect(() => requireNoneRunning(dpkg.programs, running('systemd'))).not.toThrow();
});
