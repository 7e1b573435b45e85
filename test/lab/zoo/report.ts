import { readdirSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { profileOfFile } from '../../../src/kernel/file/source.js';
import { readProfile, writeProfile } from '../../../src/kernel/profile.js';
import type { Say } from '../cache.js';
import { zooGuest } from './boot.js';
import { compareWithCaptures } from './compare.js';
import { zooKernels } from './kernels.js';
import { debugProfile, zooFiles } from './packages.js';

/** How the introspection of one guest of the zoo went. */
export interface ZooResult {
  readonly name: string;
  readonly release: string;
  /** Of the introspection alone. */
  readonly seconds: number;
  /** What is not as the guest said; empty when all is. */
  readonly differences: readonly string[];
}

/** Boots guests of the zoo, all when none is named, and compares each with what it says about itself. */
export async function* visitZoo(names: readonly string[], say: Say): AsyncGenerator<ZooResult> {
  for (const name of allOr(names)) {
    const guest = await zooGuest(name, say);
    const release = (await guest.inside('uname-a')).split(' ')[2] ?? '';
    const started = performance.now();
    const differences = await compareWithCaptures(guest);
    yield { name, release, seconds: (performance.now() - started) / 1000, differences };
  }
}

/** Makes the profiles of the zoo's kernels anew, all when none is named, in place of older ones of the same release. */
export async function* writeZooProfiles(
  names: readonly string[],
  folder: string,
  say: Say,
): AsyncGenerator<string> {
  for (const name of allOr(names)) {
    const kernel = zooKernels.find((row) => row.name === name);
    if (!kernel) continue;
    const profile = kernel.needsProfile
      ? readProfile(await debugProfile(kernel, say))
      : profileOfFile((await zooFiles(kernel, say)).vmlinuz);
    const path = writeProfile(folder, profile);
    for (const other of readdirSync(folder))
      if (other.startsWith(`${profile.release}-`) && other !== basename(path)) rmSync(join(folder, other));
    yield path;
  }
}

function allOr(names: readonly string[]): readonly string[] {
  return names.length > 0 ? names : zooKernels.map((kernel) => kernel.name);
}
