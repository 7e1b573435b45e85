import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { indexArchive, laterControl, laterVersion, parsePolicy, repackPackage } from './archive.js';
import { sha256OfFile } from './cache.js';

function comparesAs(first: string, relation: 'lt' | 'gt', second: string): boolean {
  try {
    execFileSync('dpkg', ['--compare-versions', first, relation, second]);
    return true;
  } catch {
    return false;
  }
}

async function makePackage(folder: string): Promise<string> {
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'DEBIAN'), { recursive: true });
  await mkdir(join(tree, 'usr/share/probe'), { recursive: true });
  await writeFile(join(tree, 'usr/share/probe/data'), 'data\n');
  await writeFile(join(tree, 'DEBIAN/postinst'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  await writeFile(
    join(tree, 'DEBIAN/control'),
    'Package: probe\nVersion: 1:2.0-3\nArchitecture: all\nMaintainer: Nobody <nobody@localhost>\n' +
      'Depends: probe-data (= 1:2.0-3), other (= 7)\nDescription: a probe\n with two lines\n',
  );
  const deb = join(folder, 'probe.deb');
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, deb], { stdio: 'ignore' });
  return deb;
}

describe('the local archive', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ouassister-archive-'));
  });
  afterAll(() => rm(folder, { recursive: true }));

  test.each([['3.0.20-1~deb12u2'], ['1:2.0-3'], ['590-2.1'], ['2026b'], ['5.36.0-7+deb12u3']])(
    'a repacked %s is later for dpkg, and earlier than the next revision',
    (version) => {
      expect(comparesAs(version, 'lt', laterVersion(version))).toBe(true);
      expect(comparesAs(laterVersion(version), 'lt', version.replace(/\d+(?=\D*$)/, '9999'))).toBe(true);
    },
  );

  test('a package is the same again, but for its version and those of its company', async () => {
    const archive = join(folder, 'archive');
    const repacked = await repackPackage(await makePackage(folder), archive, new Set(['probe-data']));
    expect(repacked).toBe(join(archive, 'probe_2.0-3+lab1.deb'));
    const field = (name: string) =>
      execFileSync('dpkg-deb', ['--field', repacked, name], { encoding: 'utf8' }).trim();
    expect(field('Version')).toBe('1:2.0-3+lab1');
    expect(field('Depends')).toBe('probe-data (= 1:2.0-3+lab1), other (= 7)');
    const contents = execFileSync('dpkg-deb', ['--contents', repacked], { encoding: 'utf8' });
    expect(contents).toContain('./usr/share/probe/data');

    await indexArchive(archive);
    const index = await readFile(join(archive, 'Packages'), 'utf8');
    expect(index).toContain('Package: probe\n');
    expect(index).toContain('Filename: ./probe_2.0-3+lab1.deb\n');
    expect(index).toContain(`SHA256: ${await sha256OfFile(repacked)}\n`);
  });

  test('an archive without packages has an empty index', async () => {
    await indexArchive(join(folder, 'empty'));
    expect(await readFile(join(folder, 'empty/Packages'), 'utf8')).toBe('');
  });

  test('a control file without a version is an error', () => {
    expect(() => laterControl('Package: x\n', new Set())).toThrow('no name or version');
  });

  test.each([
    ['x:\n  Installed: 1\n  Candidate: 2\n', { installed: '1', candidate: '2' }],
    ['x:\n  Installed: (none)\n  Candidate: 2\n', undefined],
    ['', undefined],
  ])('reads apt-cache policy: %j', (text, expected) => {
    expect(parsePolicy(text)).toEqual(expected);
  });
});
