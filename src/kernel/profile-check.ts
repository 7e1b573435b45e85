import { OuaError } from '../base/errors.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { missingFields } from './layout.js';
import { fieldNeed, missingEnumerators, missingSymbols } from './needs.js';
import { buildProfile, openKernel } from './open.js';
import type { Profile } from './profile.js';

export interface ProfileFinding {
  /** `error`: the profile must not be used with this image. `missing`: something that the kernel does not have. */
  readonly kind: 'error' | 'missing';
  readonly what: string;
  /** What cannot be told without it, for what is missing. */
  readonly neededFor?: string;
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
  return [...findings, ...missingFrom(profile)];
}

/** What a profile lacks of what answers are made from: nothing, for the kernels that we know. */
export function missingFrom(profile: Profile): ProfileFinding[] {
  return [
    ...missingSymbols(profile),
    ...missingEnumerators(profile),
    ...missingFields(profile).map((what) => ({ what, neededFor: fieldNeed(what) })),
  ].map((row) => ({ kind: 'missing', ...row }));
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
