import { execFileSync } from 'node:child_process';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { isMountPoint } from '../../src/base/mounts.js';
import { attachLoop, mount, unmount } from '../../src/native/mounts.js';

let folder: string;
let at: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-mounts-'));
  at = join(folder, 'at');
  mkdirSync(at);
});
afterEach(() => {
  while (isMountPoint(at)) execFileSync('umount', ['--lazy', at]);
  rmSync(folder, { recursive: true });
});

/** Options of the mount, and those of its file system. */
function optionsAt(path: string): string[][] {
  const line = readFileSync('/proc/self/mountinfo', 'latin1')
    .split('\n')
    .map((each) => each.split(' '))
    .find((fields) => fields[4] === path)!;
  return [line[5]!.split(','), line.at(-1)!.split(',')];
}

test('mounts with restrictions of the mount and options of the file system, and takes it away with what is below', () => {
  mount('tmpfs', 'tmpfs', at, ['nodev', 'nosuid', 'noexec', 'size=64k', 'mode=710']);
  const [restrictions, options] = optionsAt(at);
  expect(restrictions).toEqual(expect.arrayContaining(['rw', 'nosuid', 'nodev', 'noexec']));
  expect(options).toEqual(expect.arrayContaining(['size=64k', 'mode=710']));

  const below = join(at, 'below');
  mkdirSync(below);
  mount('tmpfs', 'tmpfs', below, ['ro']);
  expect(optionsAt(below)[0]).toContain('ro');
  // Still in use: it is out of sight all the same.
  const held = openSync(join(below, '.'), 'r');
  unmount(at);
  expect([isMountPoint(at), isMountPoint(below)]).toEqual([false, false]);
  closeSync(held);
});

test('says what it could not do', () => {
  const refused = (message: RegExp) =>
    expect.objectContaining({
      code: 'HOST_FAILED',
      message: expect.stringMatching(message) as string,
    }) as Error;
  expect(() => mount('nosuchfs', 'none', at, [])).toThrow(refused(/^cannot mount nosuchfs at .*: ENODEV$/));
  expect(() => unmount(at)).toThrow(refused(/^cannot unmount .*: EINVAL$/));
  // A link is not followed to what somebody else has mounted.
  symlinkSync('/proc', join(folder, 'link'));
  expect(() => unmount(join(folder, 'link'))).toThrow(refused(/: EINVAL$/));
  expect(() => attachLoop(join(folder, 'missing'), { offset: 0, size: 512 })).toThrow(
    refused(/^cannot make a loop device of .*: ENOENT$/),
  );
});

test('a loop device shows a part of a file, and is gone with its last user', () => {
  const file = join(folder, 'file');
  const part = Buffer.alloc(4096, 'part');
  writeFileSync(file, Buffer.concat([Buffer.alloc(4096), part, Buffer.alloc(4096)]));
  const backing = (path: string) => {
    try {
      return readFileSync(`/sys/block/${basename(path)}/loop/backing_file`, 'utf8').trim();
    } catch {
      return undefined;
    }
  };
  let path;
  {
    using loop = attachLoop(file, { offset: 4096, size: 4096 });
    path = loop.path;
    expect(path).toMatch(/^\/dev\/loop\d+$/);
    expect(backing(path)).toBe(file);
    expect(readFileSync(path).equals(part)).toBe(true);
  }
  expect(backing(path)).not.toBe(file);
});
