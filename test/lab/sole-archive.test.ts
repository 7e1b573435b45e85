import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { versionsIn } from '../bench/engine/archive.js';
import { GuestApt, indexArchive } from './archive.js';
import { localArchive, type ArchiveWish } from './recipe.js';
import { fillArchive } from './sole-archive.js';

/** What the archive upstream has; `tool` and `library` are of one source package, `base` has an upgrade there. */
const upstream = [
  { Package: 'tool', Version: '1-1', Source: 'suite', Depends: 'library (= 1-1)' },
  { Package: 'library', Version: '1-1', Source: 'suite' },
  { Package: 'base', Version: '1-2' },
  { Package: 'base', Version: '1-1' },
  { Package: 'fresh', Version: '3', Depends: 'needed, tool' },
  { Package: 'needed', Version: '4' },
  { Package: 'unwanted', Version: '5' },
];
const installed = ['tool 1-1', 'library 1-1', 'base 1-1'];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ouassister-archive-'));
  const archive = join(folder, 'upstream');
  for (const [index, fields] of upstream.entries()) {
    const tree = join(folder, `package-${index}`);
    await mkdir(join(tree, 'DEBIAN'), { recursive: true });
    await writeFile(join(tree, 'DEBIAN/control'), stanza(fields));
    await mkdir(archive, { recursive: true });
    execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, join(archive, `${index}.deb`)], {
      stdio: 'ignore',
    });
  }
  await indexArchive(archive);
  await writeFile(join(folder, 'upstream.list'), `deb [trusted=yes] copy:${archive} ./\n`);
});
afterAll(() => rm(folder, { recursive: true }));

function stanza(fields: Readonly<Record<string, string>>): string {
  const all = {
    Architecture: 'all',
    Maintainer: 'Nobody <nobody@localhost>',
    Description: 'a probe',
    ...fields,
  };
  return Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('');
}

/** The archive of a tree in which some packages are installed, and what was made for it. */
async function filled(name: string, wish: ArchiveWish) {
  const tree = join(folder, name);
  await mkdir(join(tree, 'var/lib/dpkg'), { recursive: true });
  const status = upstream
    .filter(({ Package, Version }) => installed.includes(`${Package} ${Version}`))
    .map((fields) => stanza({ Status: 'install ok installed', ...fields }))
    .join('\n');
  await writeFile(join(tree, 'var/lib/dpkg/status'), status);
  await mkdir(join(tree, localArchive), { recursive: true });
  const scratch = join(folder, `${name}-scratch`);
  await mkdir(scratch);
  const apt = await GuestApt.open(tree, scratch, join(folder, 'upstream.list'), []);
  const made = await fillArchive(apt, tree, wish, () => undefined);
  const index = await readFile(join(tree, localArchive, 'Packages'), 'utf8');
  return { made, index, versions: versionsIn(index) };
}

test('for installations it has what is not there with all that it needs, and what is there as it is', async () => {
  const { made, versions } = await filled('bare', { for: 'install', packages: ['fresh', 'base'] });
  expect(made).toEqual([]);
  expect(versions).toEqual({ fresh: '3', needed: '4', base: '1-1' });
});

test("for upgrades it has Debian's own, and a later version of what has none, its whole source package with it", async () => {
  const { made, versions, index } = await filled('full', { for: 'upgrade', packages: ['tool', 'base'] });
  expect(made.sort()).toEqual(['library', 'tool']);
  expect(versions).toEqual({ tool: '1-1+lab1', library: '1-1+lab1', base: '1-2' });
  expect(index).toContain('Depends: library (= 1-1+lab1)\n');
});
