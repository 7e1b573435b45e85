import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { OuaError } from '../../../../src/base/errors.js';
import { requireQuietDpkg } from '../../../../src/planner/package-managers/dpkg/quiet.js';

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

test.each([
  'install ok installed',
  'deinstall ok config-files',
  'hold ok installed',
  'unknown ok not-installed',
])('a guest with a package that is "%s" is at rest', (status) => {
  setStatus(status);
  expect(() => requireQuietDpkg(root)).not.toThrow();
});

test.each([
  ['install ok half-configured', 'foo is half-configured'],
  ['install ok unpacked', 'foo is unpacked'],
  ['install ok half-installed', 'foo is half-installed'],
  ['install ok triggers-pending', 'foo is triggers-pending'],
  ['install reinstreq installed', 'foo is reinstreq'],
])('a guest with a package that is "%s" is refused by name', (status, words) => {
  setStatus(status);
  expect(() => requireQuietDpkg(root)).toThrow(words);
  expect(() => requireQuietDpkg(root)).toThrow(OuaError);
});

test("dpkg's journal means a run that was cut short", () => {
  writeFileSync(join(root, 'var/lib/dpkg/updates/0001'), '');
  expect(() => requireQuietDpkg(root)).toThrow(/middle of a dpkg run/);
});

test("the journal of this host is not looked at through the guest's symbolic link", () => {
  const outside = mkdtempSync(join(tmpdir(), 'ouassister-test-'));
  try {
    writeFileSync(join(outside, '0001'), '');
    rmSync(join(root, 'var/lib/dpkg/updates'), { recursive: true });
    symlinkSync(outside, join(root, 'var/lib/dpkg/updates'));
    expect(() => requireQuietDpkg(root)).not.toThrow();
  } finally {
    rmSync(outside, { recursive: true });
  }
});
