import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { OuaError } from '../../../src/base/errors.js';
import { shippedProfiles } from '../../../src/kernel/profile.js';
import type { PackageChange } from '../../../src/plan/model.js';
import { packageChanges } from '../../../src/planner/package-managers/changes.js';
import {
  parseStatus,
  presentPackages,
  statusFile,
} from '../../../src/planner/package-managers/dpkg/status.js';
import type { LabGuest } from '../../lab/lab.js';
import { localArchive } from '../../lab/recipe.js';
import { tool } from '../../lab/tools.js';
import { operationTable, type GuestKind } from '../../oracle/operations.js';
import { runUnder } from '../engine/tracers.js';
import { medianInterval, ratios, samplesOf, type Sample } from '../pairs.js';
import type { Surroundings, Work } from '../work.js';
import { openChroot } from './chroot.js';
import { benchGuest, shortUpdate } from './guests.js';
import { planInProcess } from './planning.js';
import { packagesToUpgrade, sixty } from './sixty.js';

/** `ours`: the update is planned. `plain`: it is done, in a chroot. */
type Variant = 'ours' | 'plain';

/** What is updated: the command, and the packages that it names. */
interface Update {
  readonly names: readonly string[];
  readonly command: readonly string[];
}

/** Installing nginx, with the package that it needs. */
export function openNginx(around: Surroundings): Promise<Work<Variant>> {
  const update = { names: ['nginx', 'nginx-common'], command: operationTable.install.command('nginx') };
  return openUpdate('nginx', 'bare', () => update, around);
}

/** Upgrading sixty packages. */
export function openUpgrade60(around: Surroundings): Promise<Work<Variant>> {
  const choose = (root: string): Update => {
    const index = readFileSync(join(root, localArchive, 'Packages'), 'utf8');
    const names = packagesToUpgrade(index, readFileSync(join(root, statusFile), 'utf8'));
    if (names.length === sixty)
      return { names, command: [...operationTable.upgrade.command(names[0]!), ...names.slice(1)] };
    throw new OuaError('HOST_FAILED', `the guest has ${names.length} packages to upgrade`, 'see the rule');
  };
  return openUpdate('upgrade60', 'full', choose, around);
}

/** One update of one guest, planned and done in a chroot in turns. Both have to change the same packages. */
async function openUpdate(
  name: string,
  kind: GuestKind,
  choose: (root: string) => Update,
  around: Surroundings,
): Promise<Work<Variant>> {
  const { folder, short, signal } = around;
  const guest = await benchGuest(kind, around);
  const update = short ? shortUpdate : await chosenIn(guest, choose, around);
  const runs: Readonly<Record<Variant, () => Promise<Run>>> = {
    plain: () => updateInChroot(guest, update.command, folder, signal),
    ours: () => planned(guest, update.command, folder, signal),
  };
  const changed = new Set<string>();
  const run = async (variant: Variant): Promise<Sample> => {
    // What the run before has left to write is not to be written during this one.
    await tool('sync', []);
    const { packages, ...sample } = await runs[variant]();
    requireNames(variant, packages, update.names);
    changed.add(packages.map((each) => `${each.name} ${each.architecture} ${each.to}`).join('\n'));
    if (changed.size > 1)
      throw new OuaError('HOST_FAILED', `${variant}: other packages are changed`, 'report this');
    return sample;
  };
  // The first ones read the images from the disk, and derive the kernel's profile.
  for (const variant of ['plain', 'ours'] as const) await run(variant);
  return {
    variants: ['ours', 'plain'],
    comparisons: [['ours', 'plain']],
    run,
    figures: (rounds) => {
      const secondsOf = (variant: Variant) =>
        medianInterval(samplesOf(rounds, variant).map(({ seconds }) => seconds));
      return {
        [`${name}_ratio`]: medianInterval(ratios(rounds, ['ours', 'plain'])),
        [`${name}_plan_s`]: secondsOf('ours'),
        [`${name}_chroot_s`]: secondsOf('plain'),
      };
    },
    facts: { command: update.command, packages: [...changed][0]?.split('\n') },
  };
}

async function chosenIn(
  guest: LabGuest,
  choose: (root: string) => Update,
  { folder, signal }: Surroundings,
): Promise<Update> {
  await using chroot = await openChroot(guest, folder, signal);
  return choose(chroot.root);
}

interface Run extends Sample {
  readonly packages: readonly PackageChange[];
}

function requireNames(variant: Variant, packages: readonly PackageChange[], names: readonly string[]): void {
  const found = packages.map((each) => each.name).sort();
  if (found.join(' ') === [...names].sort().join(' ')) return;
  throw new OuaError('HOST_FAILED', `${variant}: what is changed is ${found.join(' ')}`, 'report this');
}

async function updateInChroot(
  guest: LabGuest,
  command: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<Run> {
  await using chroot = await openChroot(guest, folder, signal);
  const packages = () => presentPackages(parseStatus(readFileSync(join(chroot.root, statusFile), 'utf8')));
  const before = packages();
  const { seconds } = await runUnder('plain', { argv: chroot.enter(command), armed: 'at-once', signal });
  return { seconds, packages: packageChanges(before, packages()) };
}

async function planned(
  guest: LabGuest,
  command: readonly string[],
  folder: string,
  signal: AbortSignal,
): Promise<Run> {
  const output = join(folder, 'plan');
  const profiles = { profileDirectory: shippedProfiles, profileCache: join(folder, 'profiles') };
  const { disk, memory } = guest;
  try {
    const report = await planInProcess({ disk, memory, output, commands: [command], ...profiles }, signal);
    const { seconds, packages, phases } = report;
    return { seconds, packages, counts: milliseconds(phases) };
  } finally {
    await rm(output, { force: true });
  }
}

const milliseconds = (phases: Readonly<Record<string, number>>) =>
  Object.fromEntries(
    Object.entries(phases).map(([phase, seconds]) => [`${phase}Ms`, Math.round(seconds * 1000)]),
  );
