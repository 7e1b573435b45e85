import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { OuaError } from '../../../../src/base/errors.js';
import type { Header } from '../../../../src/planner/package-managers/rpm/header.js';
import { readPackageFile } from '../../../../src/planner/package-managers/rpm/package-file.js';
import { packageFiles, packageVersion } from '../../../../src/planner/package-managers/rpm/package.js';
import { scriptletsOf } from '../../../../src/planner/package-managers/rpm/scriptlets.js';
import { buildRpm, everyKind } from './rpmbuild.js';

let folder: string;
let file: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oua-rpm-'));
  file = await buildRpm(folder, everyKind);
});

afterAll(() => rmSync(folder, { recursive: true }));

function read(path: string): Header {
  const descriptor = openSync(path, 'r');
  try {
    return readPackageFile(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

test('a package file has a name, a version, and files', () => {
  const header = read(file);
  expect(packageVersion(header)).toEqual({
    name: 'every-kind',
    architecture: 'noarch',
    version: '3:1.0-2',
  });
  expect([...packageFiles(header)]).toEqual(['/opt/every-kind', '/opt/every-kind/file']);
});

test('every kind of scriptlet is found with its program and its text', () => {
  const sh = (kind: string) => [kind, '/bin/sh', `echo ${kind}`];
  const found = scriptletsOf(read(file)).map(({ kind, program, text }) => [kind, program.join(' '), text]);
  expect(found.sort()).toEqual(
    [
      ['pretrans', '<lua>', 'print("pretrans")'],
      sh('pre'),
      ['post', '/usr/bin/perl', 'print "post";'],
      ['preun', '/sbin/ldconfig', undefined],
      ...['postun', 'posttrans', 'triggerprein', 'triggerun', 'triggerpostun'].map(sh),
      ['triggerin', '/bin/bash', 'echo triggerin'],
      ...['filetriggerin', 'filetriggerun', 'filetriggerpostun'].map(sh),
      ...['transfiletriggerin', 'transfiletriggerun', 'transfiletriggerpostun'].map(sh),
    ].sort(),
  );
});

test('a damaged package file is refused, or read, and nothing else', () => {
  const sound = readFileSync(file);
  const damaged = join(folder, 'damaged');
  let refused = 0;
  fc.assert(
    fc.property(
      fc.nat(Math.min(sound.length, 6000) - 1),
      fc.integer({ min: 0, max: 0xffffffff }),
      fc.option(fc.nat(sound.length)),
      (at, value, length) => {
        const bytes = Buffer.from(sound);
        bytes.writeUInt32BE(value, Math.min(at, bytes.length - 4));
        writeFileSync(damaged, bytes.subarray(0, length ?? bytes.length));
        try {
          const header = read(damaged);
          packageVersion(header);
          scriptletsOf(header);
          expect([...packageFiles(header)].length).toBeLessThan(1e6);
        } catch (error) {
          if (!(error instanceof OuaError)) throw error;
          expect(error.code).toBe('GUEST_UNSUPPORTED');
          refused++;
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(refused).toBeGreaterThan(50);
});
