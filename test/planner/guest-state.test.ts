import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OuaError } from '../../src/base/errors.js';
import type { Process } from '../../src/guest/guest.js';
import { requireQuietDpkg } from '../../src/planner/guest-state.js';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ouassister-test-'));
  mkdirSync(join(root, 'var/lib/dpkg/updates'), { recursive: true });
  setStatus('install ok installed');
});

afterEach(() => rmSync(root, { recursive: true }));

function setStatus(status: string): void {
  const text = `Package: quiet\nStatus: install ok installed\n\nPackage: foo\nStatus: ${status}\nVersion: 1\n`;
  writeFileSync(join(root, 'var/lib/dpkg/status'), text);
}

const guestRunning = (comm: string) => ({ processes: () => [{ comm, pid: 42 } as Process] });

test.each([
  'install ok installed',
  'deinstall ok config-files',
  'hold ok installed',
  'unknown ok not-installed',
])('a guest with a package that is "%s" is at rest', (status) => {
  setStatus(status);
  expect(() => requireQuietDpkg(root, guestRunning('systemd'))).not.toThrow();
});

test.each([
  ['install ok half-configured', 'foo is half-configured'],
  ['install ok unpacked', 'foo is unpacked'],
  ['install ok half-installed', 'foo is half-installed'],
  ['install ok triggers-pending', 'foo is triggers-pending'],
  ['install reinstreq installed', 'foo is reinstreq'],
])('a guest with a package that is "%s" is refused by name', (status, words) => {
  setStatus(status);
  expect(() => requireQuietDpkg(root, undefined)).toThrow(words);
  expect(() => requireQuietDpkg(root, undefined)).toThrow(OuaError);
});

test("dpkg's journal means a run that was cut short", () => {
  writeFileSync(join(root, 'var/lib/dpkg/updates/0001'), '');
  expect(() => requireQuietDpkg(root, undefined)).toThrow(/middle of a dpkg run/);
});

test('a running package manager is named with its pid', () => {
  expect(() => requireQuietDpkg(root, guestRunning('apt-get'))).toThrow(/apt-get \(pid 42\)/);
});

test("the journal of this host is not looked at through the guest's symbolic link", () => {
  const outside = mkdtempSync(join(tmpdir(), 'ouassister-test-'));
  try {
    writeFileSync(join(outside, '0001'), '');
    rmSync(join(root, 'var/lib/dpkg/updates'), { recursive: true });
    symlinkSync(outside, join(root, 'var/lib/dpkg/updates'));
    expect(() => requireQuietDpkg(root, undefined)).not.toThrow();
  } finally {
    rmSync(outside, { recursive: true });
  }
});
