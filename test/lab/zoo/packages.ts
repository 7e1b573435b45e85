import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { OuaError } from '../../../src/base/errors.js';
import { profileOfFile } from '../../../src/kernel/file/source.js';
import { formatProfile } from '../../../src/kernel/profile.js';
import { reader } from '../../../src/kernel/reader.js';
import { GuestApt } from '../archive.js';
import { cached, recipeHash, type Say } from '../cache.js';
import { findMirrors, type Mirrors } from '../mirrors.js';
import { tool } from '../tools.js';
import type { DebianArchitecture, ZooKernel } from './kernels.js';
import { modulesInOrder } from './modules.js';

/** What a guest of the zoo boots, in a folder of the cache. */
export interface ZooFiles {
  readonly hash: string;
  readonly folder: string;
  readonly vmlinuz: string;
  readonly busybox: string;
  /** Module files in the order in which they can be loaded. */
  readonly modules: readonly string[];
}

const busyboxSuite = 'bookworm';
const keyring = '/usr/share/keyrings/debian-archive-keyring.gpg';
/** The packages that a kernel's meta package leads to; later suites split modules and signatures off. */
const kernelPackage = /^linux-(image|binary|modules)-\d/;
/** What is unpacked of them: a fiftieth of a generic kernel. */
const wantedFiles = [
  'boot/vmlinu[xz]-*',
  'lib/modules/*/vmlinuz',
  ...[
    'drivers/virtio',
    'drivers/block',
    'drivers/net/virtio_net*',
    'drivers/net/net_failover*',
    'drivers/nvdimm',
    'net/core',
    'fs/ext4',
    'fs/jbd2',
    'fs/mbcache*',
    'lib',
    'crypto',
    'arch/*/crypto',
    'arch/*/lib',
  ].map((path) => `lib/modules/*/kernel/${path}`),
];
/** Modules that every guest loads where its kernel does not have them built in. */
const wantedModules = ['crc32c_generic', 'virtio_pci', 'virtio_net', 'virtio_blk', 'ext4'];

/** The newest packages of a kernel, and a static busybox, unpacked; from the cache after the first time. */
export async function zooFiles(kernel: ZooKernel, say: Say): Promise<ZooFiles> {
  const mirrors = await findMirrors();
  const { suite, architecture, kernel: name } = kernel;
  const recipe = { suite, architecture, name, mirrors, wantedFiles, wantedModules };
  const hash = recipeHash(recipe);
  const folder = await cached('zoo-kernels', hash, say, (building) => unpack(kernel, mirrors, building, say));
  const names = (await readFile(join(folder, 'modules'), 'utf8')).split('\n').filter(Boolean);
  return {
    hash,
    folder,
    vmlinuz: join(folder, 'vmlinuz'),
    busybox: join(await busyboxFolder(architecture, mirrors, say), 'busybox'),
    modules: names.map((module) => join(folder, module)),
  };
}

/** The profile of a kernel, built from the vmlinux in its debug package; its path, from the cache after the first time. */
export async function debugProfile(kernel: ZooKernel, say: Say): Promise<string> {
  const mirrors = await findMirrors();
  const { suite, architecture } = kernel;
  const files = await zooFiles(kernel, say);
  const packages = (await readFile(join(files.folder, 'packages'), 'utf8')).split('\n');
  const image = packages.find((name) => name.startsWith('linux-image-')) ?? '';
  const recipe = { debug: image, suite, architecture, mirrors, reader };
  const folder = await cached('zoo-kernels', recipeHash(recipe), say, async (building) => {
    say(`fetching ${image}-dbg of ${suite} (${architecture})`);
    const { apt, scratch, tree } = await openArchive(suite, architecture, mirrors, building);
    await extract(await apt.download(`${image}-dbg`), tree, ['./usr/lib/debug/boot/vmlinux-*']);
    const vmlinux = only(await readdir(tree, { recursive: true }), /\/vmlinux-[^/]*$/, `${image}-dbg`);
    await writeFile(join(building, 'profile.json'), formatProfile(profileOfFile(join(tree, vmlinux))));
    await rm(scratch, { recursive: true });
  });
  return join(folder, 'profile.json');
}

/** The same busybox in every guest: what is built into it differs between releases. */
function busyboxFolder(architecture: DebianArchitecture, mirrors: Mirrors, say: Say): Promise<string> {
  const recipe = { busybox: busyboxSuite, architecture, mirrors };
  return cached('zoo-kernels', recipeHash(recipe), say, async (folder) => {
    const { apt, scratch, tree } = await openArchive(busyboxSuite, architecture, mirrors, folder);
    await extract(await apt.download('busybox-static'), tree, ['./bin/busybox', './usr/bin/busybox']);
    const files = await readdir(tree, { recursive: true });
    await copyFile(join(tree, only(files, /(^|\/)bin\/busybox$/, 'busybox-static')), join(folder, 'busybox'));
    await rm(scratch, { recursive: true });
  });
}

/** Looks into an archive without anything of this machine's own apt; packages are unpacked into `tree`. */
export async function openArchive(
  suite: string,
  architecture: DebianArchitecture,
  mirrors: Mirrors,
  folder: string,
) {
  const scratch = join(folder, 'scratch');
  const tree = join(scratch, 'tree');
  await mkdir(join(tree, 'var/lib/dpkg'), { recursive: true });
  await writeFile(join(tree, 'var/lib/dpkg/status'), '');
  const sources = join(scratch, 'zoo.sources');
  await writeFile(
    sources,
    `Types: deb\nURIs: ${mirrors.main}\nSuites: ${suite}\nComponents: main\nSigned-By: ${keyring}\n`,
  );
  const apt = await GuestApt.open(tree, join(scratch, 'apt'), sources, [
    ...mirrors.aptOptions,
    `APT::Architecture "${architecture}";`,
    `APT::Architectures { "${architecture}"; };`,
  ]);
  return { apt, scratch, tree };
}

async function unpack(kernel: ZooKernel, mirrors: Mirrors, folder: string, say: Say): Promise<void> {
  say(`fetching ${kernel.kernel} of ${kernel.suite} (${kernel.architecture})`);
  const { apt, scratch, tree } = await openArchive(kernel.suite, kernel.architecture, mirrors, folder);
  const packages = await kernelPackages(apt, kernel.kernel);
  for (const name of packages)
    await extract(
      await apt.download(name),
      tree,
      // Some releases have a /usr/lib in place of /lib.
      wantedFiles.flatMap((path) => [`./${path}`, `./usr/${path}`]),
    );
  const files = await readdir(tree, { recursive: true });
  await copyFile(
    join(tree, only(files, /^boot\/vmlinu[xz]-|modules\/[^/]*\/vmlinuz$/, kernel.kernel)),
    join(folder, 'vmlinuz'),
  );
  const modules = await modulesInOrder(
    files.filter((file) => /\.ko(\.xz)?$/.test(file)).map((file) => join(tree, file)),
    wantedModules,
  );
  for (const { name, content } of modules) await writeFile(join(folder, `${name}.ko`), content);
  await writeFile(join(folder, 'modules'), modules.map(({ name }) => `${name}.ko\n`).join(''));
  await writeFile(join(folder, 'packages'), packages.map((name) => `${name}\n`).join(''));
  await rm(scratch, { recursive: true });
}

/** The packages of one build that a meta package stands for. */
async function kernelPackages(apt: GuestApt, meta: string): Promise<string[]> {
  const found = new Set<string>();
  const left = [meta];
  for (let name = left.pop(); name !== undefined; name = left.pop())
    for (const dependency of await apt.depends(name)) {
      if (!kernelPackage.test(dependency) || found.has(dependency)) continue;
      found.add(dependency);
      left.push(dependency);
    }
  if (found.size > 0) return [...found];
  throw new OuaError('HOST_FAILED', `${meta} leads to no kernel package`, 'see `apt-cache depends`');
}

/** Unpacks what the patterns name; one that matches nothing is no error. */
async function extract(deb: string, tree: string, patterns: readonly string[]): Promise<void> {
  const script =
    'deb=$1; tree=$2; shift 2; dpkg-deb --fsys-tarfile "$deb" | { tar -x -C "$tree" --no-same-owner --wildcards "$@" 2>/dev/null || true; }';
  await tool('sh', ['-c', script, 'sh', deb, tree, ...patterns]);
}

function only(files: readonly string[], shape: RegExp, what: string): string {
  const found = files.filter((file) => shape.test(file));
  if (found[0] !== undefined && found.length === 1) return found[0];
  throw new OuaError(
    'HOST_FAILED',
    `${what} has ${found.length} files like ${shape.source} (${found.map((file) => basename(file)).join(', ')})`,
    'the layout of the package has changed: see test/lab/zoo/packages.ts',
  );
}
