import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OuaError } from '../../../src/base/errors.js';
import type { Profile } from '../../../src/kernel/profile.js';
import { cached, exists, recipeHash, type Say } from '../../lab/cache.js';
import { tool } from '../../lab/tools.js';

/** The programs that we are measured by, and the debug symbols that they need. */
export interface Peers {
  readonly crash: string;
  readonly drgn: string;
  readonly environment: Readonly<Record<string, string>>;
  /** The guest's kernel with its debug information. */
  readonly vmlinux: string;
  readonly versions: Readonly<Record<string, string>>;
}

const packages = ['crash', 'python3-drgn'] as const;

/**
 * Gets crash, drgn and the debug symbols of a kernel from Debian into the lab's cache (some 300 MB to fetch, 1 GB to
 * keep); nothing is installed. What the machine has installed already is taken from there.
 *
 * @throws OuaError `HOST_FAILED` when Debian has them no more, or symbols of another build only.
 */
export async function openPeers({ release, banner, buildId }: Profile, say: Say): Promise<Peers> {
  const folder = await cached('peers', recipeHash([packages, banner]), say, async (building) => {
    say(`fetching crash, drgn and the debug symbols of ${release}`);
    await fetchPeers(release, building);
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
  const libraries = join(root, 'usr/lib/x86_64-linux-gnu');
  return {
    crash: await programIn(root, 'crash'),
    drgn: await programIn(root, 'drgn'),
    environment: { LD_LIBRARY_PATH: libraries, PYTHONPATH: join(root, 'usr/lib/python3/dist-packages') },
    vmlinux,
    versions: JSON.parse(await readFile(join(folder, 'versions.json'), 'utf8')) as Record<string, string>,
  };
}

async function fetchPeers(release: string, folder: string): Promise<void> {
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
    ...['install', ...packages, symbols],
  ]);
  const versions: Record<string, string> = {};
  for (const file of (await readdir(archives)).filter((name) => name.endsWith('.deb'))) {
    const path = join(archives, file);
    const [name = '', version = ''] = file.split('_');
    if (name === symbols) {
      const kernel = `./usr/lib/debug/boot/vmlinux-${release}`;
      await tool('sh', ['-c', 'dpkg-deb --fsys-tarfile "$0" | tar -x -C "$1" "$2"', path, folder, kernel]);
      await rename(join(folder, kernel), join(folder, 'vmlinux'));
    } else await tool('dpkg-deb', ['--extract', path, root]);
    versions[name] = decodeURIComponent(version);
  }
  await rm(archives, { recursive: true });
  await writeFile(join(folder, 'versions.json'), JSON.stringify(versions));
}

async function programIn(root: string, name: string): Promise<string> {
  const path = join(root, 'usr/bin', name);
  if (await exists(path)) return path;
  throw new OuaError(
    'PROGRAM_MISSING',
    `there is no ${name} in ${root}`,
    `remove that folder: its packages are then fetched again`,
  );
}
