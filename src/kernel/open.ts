import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OuaError, type ErrorCode } from '../base/errors.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { architectureNamed, architectures, type SymbolLookup } from './architectures.js';
import { alignedBanners, allBanners, releaseOf, type BannerHit } from './banners.js';
import { contradictions } from './check.js';
import { Kernel } from './kernel.js';
import { architecturesOf, kallsymsAt, proveLocation } from './locate.js';
import { btfPlace, profileOf, sourceInMemory } from './profile-build.js';
import { cachedProfile, keepProfile } from './profile-cache.js';
import { profileFileName, readProfile, type Profile } from './profile.js';
import { reader } from './reader.js';

export interface OpenKernelOptions {
  /** Use exactly this profile. */
  readonly profile?: Profile | undefined;
  /** Look here for the guest's profile by its banner and build id; without one it is derived. */
  readonly profileDirectory?: string | undefined;
  /** Keep derived profiles here, and take one that was derived from the same bytes. */
  readonly profileCache?: string | undefined;
}

/**
 * Finds the running kernel in a memory image, with a profile or, without one, from its own symbol table and
 * type information.
 *
 * @throws OuaError `KERNEL_NOT_FOUND` when there is none, `KERNEL_UNSUPPORTED` for an architecture or a build that
 *   we do not know, `KERNEL_NO_BTF` without type information and profile, `PROFILE_MISMATCH` when the profile is
 *   another kernel's, `GUEST_INCONSISTENT` when the memory contradicts itself.
 */
export function openKernel(memory: PhysicalMemory, options: OpenKernelOptions = {}): Kernel {
  if (architecturesOf(memory).length === 0)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `${memory.path} is the memory of a machine of the architecture ${memory.architecture}`,
      `guests of these architectures are supported: ${architectures.map(({ name }) => name).join(', ')}`,
    );
  const refusals: OuaError[] = [];
  for (const banners of searches(memory)) {
    const kernels: Kernel[] = [];
    for (const hit of banners) {
      const kernel = attempt(() => openAt(memory, hit, options), refusals);
      if (kernel) kernels.push(kernel);
    }
    if (kernels.length > 1) throw ambiguous(memory, kernels);
    if (kernels[0]) return kernels[0];
    // The kernel is there and is not one that we can use: reading all of the memory would not change that.
    if (refusals.some(({ code }) => conclusive.includes(code))) break;
  }
  throw worst(refusals) ?? notFound(memory);
}

/** Ways to find banners, the cheapest first: where running kernels have them, then everywhere. */
function searches(memory: PhysicalMemory): Iterable<BannerHit>[] {
  const alignments = [...new Set(architecturesOf(memory).map(({ alignment }) => alignment))];
  return [...alignments.map((alignment) => alignedBanners(memory, alignment)), allBanners(memory)];
}

/**
 * Derives the profile of the kernel in a memory image, whatever profiles exist.
 * @throws as {@link openKernel}
 */
export function buildProfile(memory: PhysicalMemory): Profile {
  return openKernel(memory).profile;
}

function openAt(memory: PhysicalMemory, hit: BannerHit, options: OpenKernelOptions): Kernel {
  if (options.profile) return withProfile(memory, hit, options.profile);
  const { profileDirectory: directory, profileCache: cache } = options;
  const installed = directory === undefined ? undefined : profileInDirectory(hit, directory);
  // One that was made by another version of the program may lack what this one reads, and the guest itself has it.
  const outdated = installed?.reader !== undefined && installed.reader !== reader;
  const known =
    (outdated ? undefined : ifItFits(memory, hit, installed)) ??
    ifItFits(memory, hit, cache === undefined ? undefined : cachedProfile(cache, memory, hit));
  if (known) return known;
  try {
    return deriving(memory, hit, cache);
  } catch (error) {
    // A kernel that cannot describe itself: then some of it is better than nothing.
    const old = outdated && error instanceof OuaError ? ifItFits(memory, hit, installed) : undefined;
    if (old) return old;
    throw error;
  }
}

/** Another build may have the same banner: then its profile is none for this guest. */
function ifItFits(memory: PhysicalMemory, hit: BannerHit, profile: Profile | undefined): Kernel | undefined {
  if (!profile) return undefined;
  try {
    return withProfile(memory, hit, profile);
  } catch (error) {
    if (error instanceof OuaError) return undefined;
    throw error;
  }
}

function profileInDirectory(hit: BannerHit, directory: string): Profile | undefined {
  const path = join(directory, profileFileName(releaseOf(hit.banner) ?? '', hit.banner));
  return existsSync(path) ? readProfile(path) : undefined;
}

function withProfile(memory: PhysicalMemory, hit: BannerHit, profile: Profile): Kernel {
  if (profile.banner !== hit.banner) throw mismatch(profile, hit, `the guest runs: ${hit.banner.trim()}`);
  const architecture = architectureNamed(profile.architecture);
  const symbol = (name: string) => {
    const text = profile.symbols[name];
    return text !== undefined && architecture.inImage(BigInt(text)) ? BigInt(text) : undefined;
  };
  const location = proveLocation(memory, hit, symbol, [architecture]);
  if (!location) throw mismatch(profile, hit, "the kernel's page tables are not where the profile says");
  const kernel = new Kernel(memory, location, profile);
  const [contradiction] = contradictions(kernel);
  if (contradiction !== undefined) throw mismatch(profile, hit, contradiction);
  return kernel;
}

function deriving(memory: PhysicalMemory, hit: BannerHit, cache: string | undefined): Kernel {
  const found = kallsymsAt(memory, hit);
  if (!found)
    throw unsupported(
      hit,
      'its symbol table (kallsyms) was not found',
      'give a profile of exactly this build',
    );
  const { kallsyms } = found;
  const listed = (name: string) => kallsyms.address(name);
  if (listed('linux_banner') === undefined)
    throw unsupported(
      hit,
      'its symbol table has functions only (CONFIG_KALLSYMS_ALL is off)',
      'build a profile from its vmlinux with debug information: ouassister profile build vmlinux',
    );
  const location = proveLocation(memory, hit, listed);
  if (!location)
    throw unsupported(
      hit,
      'its page tables do not lead to it',
      `guests of these architectures are supported: ${architectures.map(({ name }) => name).join(', ')}`,
    );
  const symbol = kallsyms.isPlaceRelative ? moved(listed, location.moved) : listed;
  const profile = profileOf(sourceInMemory(memory, location, symbol));
  const kernel = new Kernel(memory, location, profile);
  const [contradiction] = contradictions(kernel);
  if (contradiction !== undefined)
    throw new OuaError(
      'GUEST_INCONSISTENT',
      `the kernel found at the physical address 0x${hit.physical.toString(16)} is not a running one: ${contradiction}`,
      'save the memory of the guest again',
    );
  if (cache !== undefined) {
    const btf = btfPlace(location, symbol);
    const places = [...found.places, ...(btf ? [btf] : [])];
    const evidence = places.map(({ physical, length }) => ({ offset: physical - hit.physical, length }));
    keepProfile(cache, memory, hit, evidence, profile);
  }
  return kernel;
}

/** Symbols whose addresses have all to be moved by as much. */
function moved(symbol: SymbolLookup, by: bigint): SymbolLookup {
  return (name) => {
    const address = symbol(name);
    return address === undefined ? undefined : address + by;
  };
}

function attempt(open: () => Kernel, refusals: OuaError[]): Kernel | undefined {
  try {
    return open();
  } catch (error) {
    if (!(error instanceof OuaError)) throw error;
    refusals.push(error);
    return undefined;
  }
}

const conclusive: readonly ErrorCode[] = ['PROFILE_INVALID', 'PROFILE_MISMATCH', 'KERNEL_NO_BTF'];

/** Of the reasons against the candidates the one that says most: a banner alone may be in any file or log. */
function worst(refusals: readonly OuaError[]): OuaError | undefined {
  return (
    [...conclusive, 'GUEST_INCONSISTENT']
      .map((code) => refusals.find((refusal) => refusal.code === code))
      .find(Boolean) ?? refusals[0]
  );
}

function notFound(memory: PhysicalMemory): OuaError {
  return new OuaError(
    'KERNEL_NOT_FOUND',
    `there is no Linux kernel in the memory image ${memory.path}`,
    'check that the image is the whole memory of a running Linux guest',
  );
}

function unsupported(hit: BannerHit, why: string, hint: string): OuaError {
  return new OuaError(
    'KERNEL_UNSUPPORTED',
    `the guest's kernel (${hit.banner.trim()}) cannot be read: ${why}`,
    hint,
  );
}

function mismatch(profile: Profile, hit: BannerHit, why: string): OuaError {
  return new OuaError(
    'PROFILE_MISMATCH',
    `the profile for ${profile.banner.trim()} does not fit the kernel at 0x${hit.physical.toString(16)}: ${why}`,
    'leave the profile out: it is derived from the guest',
  );
}

function ambiguous(memory: PhysicalMemory, kernels: readonly Kernel[]): OuaError {
  const places = kernels.map((kernel) => `0x${kernel.location.banner.physical.toString(16)}`).join(', ');
  return new OuaError(
    'GUEST_INCONSISTENT',
    `${memory.path} holds more than one running kernel (at ${places}), and nothing says which is the live one`,
    'save the memory of a guest that was not restarted by kexec',
  );
}
