import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readInShadow } from '../../../src/shadow/fs/read.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ouassister-read-'));
  mkdirSync(join(root, 'etc'));
  writeFileSync(join(root, 'etc/hostname'), 'guest\n');
});
afterEach(() => rmSync(root, { recursive: true }));

test('an absolute link leads to the guest’s file, not to the host’s', () => {
  symlinkSync('/etc/hostname', join(root, 'name'));
  expect(readInShadow(root, '/name', 64)?.toString()).toBe('guest\n');
});

test('no link leads out of the guest', () => {
  symlinkSync('../../../../../../etc/passwd', join(root, 'secret'));
  symlinkSync('loop', join(root, 'loop'));
  expect(readInShadow(root, '/secret', 1 << 20)).toBeUndefined();
  expect(readInShadow(root, '/loop', 64)).toBeUndefined();
  expect(readInShadow(root, '/etc/hostname/x', 64)).toBeUndefined();
});

test('what is no regular file, or too long, is refused without blocking', () => {
  execFileSync('mkfifo', [join(root, 'fifo')]);
  const refused = expect.objectContaining({ code: 'GUEST_UNSUPPORTED' }) as Error;
  expect(() => readInShadow(root, '/fifo', 64)).toThrow(refused);
  expect(() => readInShadow(root, '/etc', 64)).toThrow(refused);
  expect(() => readInShadow(root, '/etc/hostname', 3)).toThrow(refused);
});
