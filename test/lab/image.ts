import { randomUUID } from 'node:crypto';
import { copyFile, mkdir, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { OuaError } from '../../src/base/errors.js';
import { GuestApt, indexArchive, repackPackage } from './archive.js';
import { cached, type Say } from './cache.js';
import { findMirrors } from './mirrors.js';
import {
  imageHash,
  localArchive,
  planImage,
  type GuestFiles,
  type ImagePlan,
  type Recipe,
} from './recipe.js';
import { buildRpms, localRepository } from './rpms.js';
import { fillArchive } from './sole-archive.js';
import { tool } from './tools.js';

const imageRecord = z.object({
  rootUuid: z.string(),
  kernelRelease: z.string(),
  /** Packages that have an upgrade in the local archive. */
  repacked: z.array(z.string()),
});

/** A built guest disk that was never booted, and the kernel to boot it with. Read-only: guests get copies. */
export interface BaseImage extends z.infer<typeof imageRecord> {
  readonly hash: string;
  /** qcow2, without a backing file. */
  readonly disk: string;
  readonly kernel: string;
  readonly initrd: string;
}

const MIB = 1 << 20;
/** Type of a root partition for x86-64, UAPI Discoverable Partitions Specification. */
const ROOT_PARTITION_TYPE = '4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709';
const PARTITION_START = MIB;

/** Returns the image of a recipe from the cache, or builds it: about a minute. */
export async function ensureBaseImage(recipe: Recipe, say: Say): Promise<BaseImage> {
  const plan = planImage(recipe, await findMirrors());
  const hash = imageHash(plan);
  const folder = await cached('images', hash, say, (building) => buildImage(plan, building, say));
  const record = imageRecord.parse(JSON.parse(await readFile(join(folder, 'image.json'), 'utf8')));
  return {
    ...record,
    hash,
    disk: join(folder, 'disk.qcow2'),
    kernel: join(folder, 'vmlinuz'),
    initrd: join(folder, 'initrd'),
  };
}

async function buildImage(plan: ImagePlan, folder: string, say: Say): Promise<void> {
  say(`building a ${plan.recipe.suite} guest image with ${plan.recipe.kernel} (about a minute)`);
  const tree = join(folder, 'tree');
  const scratch = join(folder, 'scratch');
  const rootUuid = randomUUID();
  await mkdir(scratch);
  await bootstrap(plan, tree, scratch, say);
  await writeFile(join(tree, 'etc/fstab'), `UUID=${rootUuid} / ext4 errors=remount-ro 0 1\n`);

  const boot = await readdir(join(tree, 'boot'));
  const kernelRelease = boot.find((name) => name.startsWith('vmlinuz-'))?.slice('vmlinuz-'.length);
  if (kernelRelease === undefined)
    throw new OuaError('HOST_FAILED', `${plan.recipe.kernel} has no kernel`, 'name a kernel package');
  await copyFile(join(tree, `boot/vmlinuz-${kernelRelease}`), join(folder, 'vmlinuz'));
  await copyFile(join(tree, `boot/initrd.img-${kernelRelease}`), join(folder, 'initrd'));

  const repacked = await makeUpgrades(plan, tree, scratch, say);
  if (plan.rpms) {
    await buildRpms(plan.rpms.sources, join(tree, localRepository), scratch, say);
    await tool('chroot', [tree, 'dnf', '-y', 'install', ...plan.rpms.installed]);
  }
  say('writing the disk');
  await writeDisk(plan, tree, rootUuid, folder);
  await writeFile(join(folder, 'image.json'), JSON.stringify({ rootUuid, kernelRelease, repacked }));
  await rm(tree, { recursive: true });
  await rm(scratch, { recursive: true });
}

/**
 * Runs mmdebstrap. It mounts things below the tree and starts programs of the guest, so it gets mount and pid
 * namespaces of its own: when it is killed, both are gone with it.
 */
async function bootstrap(plan: ImagePlan, tree: string, scratch: string, say: Say): Promise<void> {
  const early = join(scratch, 'early');
  const late = join(scratch, 'late');
  await writeFiles(early, plan.early);
  await writeFiles(late, plan.late);
  const hooks = [
    `--essential-hook=sync-in ${early} /`,
    '--customize-hook=rm -f "$1/etc/apt/sources.list"',
    `--customize-hook=sync-in ${late} /`,
    ...plan.commands.map((command) => `--customize-hook=chroot "$1" ${command}`),
  ];
  await tool(
    'unshare',
    [
      ...['--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
      'mmdebstrap',
      ...['--mode=root', '--variant=minbase', '--format=directory', '--dpkgopt=force-unsafe-io'],
      ...plan.mirrors.aptOptions.map((line) => `--aptopt=${line}`),
      `--include=${plan.include.join(',')}`,
      ...hooks,
      ...[plan.recipe.suite, tree, '-'],
    ],
    {
      cwd: scratch,
      input: plan.buildSource + '\n',
      say: (line) => {
        const step = /^I: (.*)\.\.\.$/.exec(line)?.[1];
        if (step !== undefined) say(step);
      },
    },
  );
}

/** Makes sure that the wanted upgrades exist, and returns what had to be made for it. */
async function makeUpgrades(plan: ImagePlan, tree: string, scratch: string, say: Say): Promise<string[]> {
  const guestSources = join(tree, 'etc/apt/sources.list.d/debian.sources');
  const sources = join(scratch, 'main.list');
  await writeFile(sources, plan.buildSource + '\n');
  const wish = plan.recipe.archive;
  const apt = await GuestApt.open(
    tree,
    join(scratch, 'apt'),
    // What is installed comes from the main archive: a package that shall be there a second time is of its version.
    wish?.for === 'install' ? sources : guestSources,
    plan.mirrors.aptOptions,
  );
  if (wish !== undefined) {
    const repacked = await fillArchive(apt, tree, wish, say);
    await rm(guestSources);
    await tool('chroot', [tree, 'apt-get', 'update', '--error-on=any']);
    return repacked;
  }
  const wanted = new Map<string, string>();
  for (const name of [...plan.recipe.pending, ...plan.recipe.repacked]) {
    const candidate = await apt.candidate(name);
    if (candidate === undefined)
      throw new OuaError('USAGE', `${name} is not in the image`, 'add it to the packages of the guest');
    const pending = candidate.installed !== candidate.candidate;
    if (!pending || plan.recipe.repacked.includes(name)) wanted.set(name, candidate.candidate);
  }
  const archive = join(tree, localArchive);
  const together = new Set(wanted.keys());
  for (const [name, version] of wanted) {
    say(`making an upgrade of ${name} in the local archive`);
    await repackPackage(await apt.download(name, version), archive, together);
  }
  await indexArchive(archive);
  return [...wanted.keys()];
}

async function writeDisk(plan: ImagePlan, tree: string, uuid: string, folder: string): Promise<void> {
  const raw = join(folder, 'disk.raw');
  await writeFile(raw, '');
  await truncate(raw, plan.diskMiB * MIB);
  const partitioned = plan.recipe.layout === 'gpt';
  if (partitioned)
    await tool('sfdisk', ['--quiet', raw], {
      input: `label: gpt\nstart=${PARTITION_START / 512}, type=${ROOT_PARTITION_TYPE}, name=root\n`,
    });
  // The backup GPT takes the last sectors of the disk.
  const [offset, sizeMiB] = partitioned ? [PARTITION_START, plan.diskMiB - 2] : [0, plan.diskMiB];
  await tool('mke2fs', [
    ...['-q', '-F', '-t', 'ext4', '-L', 'root', '-U', uuid, '-d', tree],
    ...['-E', `offset=${offset},lazy_itable_init=0,lazy_journal_init=0`, raw, `${sizeMiB}M`],
  ]);
  await tool('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, join(folder, 'disk.qcow2')]);
  await rm(raw);
}

async function writeFiles(root: string, files: GuestFiles): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  // Whatever umask we have: these folders become the guest's.
  await tool('chmod', ['u=rwX,go=rX', root, ...(await readdir(root, { recursive: true }))], { cwd: root });
}
