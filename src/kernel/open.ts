import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { OuaError, type ErrorCode } from '../base/errors.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { contradictions } from './check.js';
import { Kernel } from './kernel.js';
import { missingFields } from './layout.js';
import {
  linkText,
  alignedBanners,
  allBanners,
  kallsymsOf,
  proveLocation,
  releaseOf,
  type BannerHit,
} from './locate.js';
import { profileOf } from './profile-build.js';
import { profileFileName, readProfile, type Profile } from './profile.js';

export interface OpenKernelOptions {
  /** Use exactly this profile. */
  readonly profile?: Profile | undefined;
  /** Look here for the guest's profile by its banner; without one it is derived. */
  readonly profileDirectory?: string | undefined;
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
  if (memory.architecture !== undefined && memory.architecture !== 'x86-64')
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      `${memory.path} is the memory of a machine of the architecture ${memory.architecture}`,
      'guests of the architecture x86-64 are supported',
    );
  const refusals: OuaError[] = [];
  for (const banners of [alignedBanners, allBanners]) {
    const kernels: Kernel[] = [];
    for (const hit of banners(memory)) {
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

/**
 * Derives the profile of the kernel in a memory image, whatever profiles exist.
 * @throws as {@link openKernel}
 */
export function buildProfile(memory: PhysicalMemory): Profile {
  return openKernel(memory).profile;
}

export interface ProfileFinding {
  /** `error`: the profile must not be used with this image. `missing`: something that the kernel does not have. */
  readonly kind: 'error' | 'missing';
  readonly what: string;
}

/**
 * Compares a profile with the kernel in an image: whether it fits, whether each value is what the kernel's own
 * tables say (when it has them), and which fields it lacks. No `error` means that it can be used.
 */
export function checkProfile(memory: PhysicalMemory, profile: Profile): ProfileFinding[] {
  const findings: ProfileFinding[] = [];
  try {
    openKernel(memory, { profile });
  } catch (error) {
    if (!(error instanceof OuaError)) throw error;
    findings.push({ kind: 'error', what: error.message });
  }
  try {
    const derived = buildProfile(memory);
    if (derived.banner === profile.banner)
      findings.push(
        ...differences(profile, derived).map((what): ProfileFinding => ({ kind: 'error', what })),
      );
  } catch (error) {
    // A kernel that cannot describe itself leaves only the checks above.
    if (!(error instanceof OuaError) || error.code !== 'KERNEL_NO_BTF') throw error;
  }
  for (const field of missingFields(profile)) findings.push({ kind: 'missing', what: field });
  return findings;
}

function differences(profile: Profile, derived: Profile): string[] {
  const found: string[] = [];
  const compare = (
    kind: string,
    ours: Readonly<Record<string, unknown>>,
    theirs: Readonly<Record<string, unknown>>,
  ) => {
    for (const [name, value] of Object.entries(ours))
      if (JSON.stringify(value) !== JSON.stringify(theirs[name]))
        found.push(
          `${kind} ${name} is ${JSON.stringify(theirs[name]) ?? 'missing'} and not ${JSON.stringify(value)}`,
        );
  };
  compare('symbol', profile.symbols, derived.symbols);
  compare('enumerator', profile.enums, derived.enums);
  for (const [name, struct] of Object.entries(profile.structs)) {
    compare(`size of struct`, { [name]: struct.size }, { [name]: derived.structs[name]?.size });
    compare(`member of ${name}:`, struct.members, derived.structs[name]?.members ?? {});
  }
  return found;
}

function openAt(memory: PhysicalMemory, hit: BannerHit, options: OpenKernelOptions): Kernel {
  const profile = options.profile ?? profileInDirectory(hit, options.profileDirectory);
  const kernel = profile ? withProfile(memory, hit, profile) : deriving(memory, hit);
  const [contradiction] = contradictions(kernel);
  if (contradiction === undefined) return kernel;
  throw profile
    ? mismatch(profile, hit, contradiction)
    : new OuaError(
        'GUEST_INCONSISTENT',
        `the kernel found at the physical address 0x${hit.physical.toString(16)} is not a running one: ${contradiction}`,
        'save the memory of the guest again',
      );
}

function profileInDirectory(hit: BannerHit, directory: string | undefined): Profile | undefined {
  if (directory === undefined) return undefined;
  const path = join(directory, profileFileName(releaseOf(hit.banner) ?? '', hit.banner));
  return existsSync(path) ? readProfile(path) : undefined;
}

function withProfile(memory: PhysicalMemory, hit: BannerHit, profile: Profile): Kernel {
  if (profile.banner !== hit.banner) throw mismatch(profile, hit, `the guest runs: ${hit.banner.trim()}`);
  const location = proveLocation(memory, hit, (name) => {
    const text = profile.symbols[name];
    return text === undefined || BigInt(text) < linkText ? undefined : BigInt(text);
  });
  if (!location) throw mismatch(profile, hit, "the kernel's page tables are not where the profile says");
  return new Kernel(memory, location, profile);
}

function deriving(memory: PhysicalMemory, hit: BannerHit): Kernel {
  const kallsyms = kallsymsOf(memory, hit);
  if (!kallsyms)
    throw unsupported(
      hit,
      'its symbol table (kallsyms) was not found',
      'give a profile of exactly this build',
    );
  const location = proveLocation(memory, hit, (name) => kallsyms.address(name));
  if (!location)
    throw unsupported(
      hit,
      'its page tables do not lead to it',
      'guests of the architecture x86-64 are supported',
    );
  return new Kernel(memory, location, profileOf(memory, location, kallsyms));
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
