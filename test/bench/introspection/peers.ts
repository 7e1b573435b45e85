import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OuaError } from '../../../src/base/errors.js';
import type { Profile } from '../../../src/kernel/profile.js';
import { cached, exists, recipeHash, type Say } from '../../lab/cache.js';
import { findMirrors, type Mirrors } from '../../lab/mirrors.js';
import { tool } from '../../lab/tools.js';
import { openArchive } from '../../lab/zoo/packages.js';

/** The programs that we are measured by, and the debug symbols that they need. */
export interface Peers {
  /** Its program and first arguments. */
  readonly crash: readonly [string, ...string[]];
  readonly drgn: string;
  /** Of drgn. */
  readonly environment: Readonly<Record<string, string>>;
  /** The guest's kernel with its debug information. */
  readonly vmlinux: string;
  readonly versions: Readonly<Record<string, string>>;
}

/** That of Debian 12 knows no `struct pid` of 6.1's later updates, and finds no process but the idle one. */
const crashSuite = 'trixie';

/**
 * Gets crash, drgn and the debug symbols of a kernel from Debian into the lab's cache (some 900 MB to fetch, as much to
 * keep); nothing is installed. crash runs with the libraries of its own release.
 *
 * @throws OuaError `HOST_FAILED` when Debian has them no more, or symbols of another build only.
 */
export async function openPeers({ release, banner, buildId }: Profile, say: Say): Promise<Peers> {
  const mirrors = await findMirrors();
  const folder = await cached('peers', recipeHash([crashSuite, mirrors, banner]), say, async (building) => {
    say(`fetching crash, drgn and the debug symbols of ${release}`);
    const versions = {
      ...(await fetchCrash(mirrors, building)),
      ...(await fetchDrgn(release, building)),
    };
    await writeFile(join(building, 'versions.json'), JSON.stringify(versions));
  });
  const root = join(folder, 'root');
  const vmlinux = join(folder, 'vmlinux');
  const notes = await tool('readelf', ['--notes', '--wide', vmlinux]);
  if (buildId !== null && !notes.includes(buildId))
    throw new OuaError(
      'HOST_FAILED',
      `the debug symbols of ${release} in the Debian archive are those of another build than the guest's kernel`,
      "remove the lab's cache: the guest is then built with the newest kernel",
    );
  const libraries = (of: string) => join(of, 'usr/lib/x86_64-linux-gnu');
  const crashRoot = join(folder, 'crash');
  const loader = await fileIn(crashRoot, 'usr/lib64/ld-linux-x86-64.so.2');
  return {
    crash: [loader, '--library-path', libraries(crashRoot), await fileIn(crashRoot, 'usr/bin/crash')],
    drgn: await fileIn(root, 'usr/bin/drgn'),
    environment: {
      LD_LIBRARY_PATH: libraries(root),
      PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
    },
    vmlinux,
    versions: JSON.parse(await readFile(join(folder, 'versions.json'), 'utf8')) as Record<string, string>,
  };
}

/** By name of the package. */
type Versions = Readonly<Record<string, string>>;

async function fetchCrash(mirrors: Mirrors, folder: string): Promise<Versions> {
  const { apt, scratch } = await openArchive(crashSuite, 'amd64', mirrors, folder);
  const archives = await apt.downloadAll(['crash']);
  const root = join(folder, 'crash');
  await mkdir(root);
  const packages = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
  for (const file of packages) await tool('dpkg-deb', ['--extract', join(archives, file), root]);
  await rm(scratch, { recursive: true });
  return versionsOf(packages.filter((file) => file.startsWith('crash_')));
}

/** `name_version_architecture.deb` */
const versionsOf = (files: readonly string[]): Versions =>
  Object.fromEntries(
    files.map((file) => {
      const [name = '', version = ''] = file.split('_');
      return [name, decodeURIComponent(version)];
    }),
  );

async function fetchDrgn(release: string, folder: string): Promise<Versions> {
  const archives = join(folder, 'archives');
  const root = join(folder, 'root');
  const symbols = `linux-image-${release}-dbg`;
  await mkdir(join(archives, 'partial'), { recursive: true });
  await mkdir(root);
  await tool('apt-get', [
    ...['-y', '--download-only', '--no-install-recommends', '--reinstall'],
    ...[
      '-o',
      `Dir::Cache::archives=${archives}`,
      '-o',
      'APT::Sandbox::User=root',
      '-o',
      'Debug::NoLocking=1',
    ],
    ...['install', 'python3-drgn', symbols],
  ]);
  const packages = (await readdir(archives)).filter((name) => name.endsWith('.deb'));
  for (const file of packages) {
    const path = join(archives, file);
    if (file.startsWith(`${symbols}_`)) {
      const kernel = `./usr/lib/debug/boot/vmlinux-${release}`;
      await tool('sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" "$2"', path, folder, kernel]);
      await rename(join(folder, kernel), join(folder, 'vmlinux'));
    } else await tool('dpkg-deb', ['--extract', path, root]);
  }
  await rm(archives, { recursive: true });
  return versionsOf(packages);
}

async function fileIn(root: string, name: string): Promise<string> {
  const path = join(root, name);
  if (await exists(path)) return path;
  throw new OuaError(
    'PROGRAM_MISSING',
    `there is no ${name} in ${root}`,
    `remove that folder: its packages are then fetched again`,
  );
}
