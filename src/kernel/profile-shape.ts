import { maxStructSize, type Layout } from './layout.js';
import { architectureNames, type ArchitectureName } from './paging.js';

/** The format that this program writes; `docs/profile-format.md` describes it. */
export const profileFormatVersion = 1;

/** How the texts of a profile look. */
export const profileTexts = {
  /** SHA-256. */
  digest: /^[0-9a-f]{64}$/,
  buildId: /^([0-9a-f]{2}){8,32}$/,
  reader: /^[0-9a-f]{16}$/,
  address: /^0x[0-9a-f]{1,16}$/,
} as const;
export const maxRelease = 64;
export const maxBanner = 1024;

/** Symbols and struct offsets of one exact kernel build. */
export interface Profile extends Layout {
  readonly formatVersion: typeof profileFormatVersion;
  readonly architecture: ArchitectureName;
  /** SHA-256 of everything else: a damaged value cannot pass for a right one. */
  readonly digest: string;
  readonly release: string;
  /** The whole linux_banner, newline included. */
  readonly banner: string;
  /** GNU build id in hexadecimal digits, from the kernel's own notes; null when it has none. */
  readonly buildId: string | null;
  /** What the program that made it reads of a kernel; another program that reads more passes it over. */
  readonly reader?: string | undefined;
  /** Addresses as linked, before KASLR; absolute symbols (per-CPU offsets) as they are. */
  readonly symbols: Readonly<Record<string, string>>;
}

/** Undefined for a value that is as described, else the path within it to what is not. */
type Check = (value: unknown) => readonly string[] | undefined;

const here: readonly string[] = [];
const that =
  (holds: (value: unknown) => boolean): Check =>
  (value) =>
    holds(value) ? undefined : here;
const text = (pattern: RegExp): Check => that((value) => typeof value === 'string' && pattern.test(value));
const textOf = (most: number): Check =>
  that((value) => typeof value === 'string' && value.length >= 1 && value.length <= most);
const isOffset = (value: unknown) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) <= maxStructSize;

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** An object with any keys. */
function record(check: Check): Check {
  return (value) => {
    if (!isObject(value)) return here;
    for (const [key, inner] of Object.entries(value)) {
      const fault = check(inner);
      if (fault) return [key, ...fault];
    }
    return undefined;
  };
}

/** An object with these keys, of which some may be missing, and no other. */
function object(checks: Readonly<Record<string, Check>>, mayLack: readonly string[] = []): Check {
  return (value) => {
    if (!isObject(value)) return here;
    for (const key of Object.keys(value)) if (!Object.hasOwn(checks, key)) return [key];
    for (const [key, check] of Object.entries(checks)) {
      if (!Object.hasOwn(value, key) && mayLack.includes(key)) continue;
      const fault = check(value[key]);
      if (fault) return [key, ...fault];
    }
    return undefined;
  };
}

const member = that(
  (value) => Array.isArray(value) && (value.length === 2 || value.length === 4) && value.every(isOffset),
);

/**
 * What is wrong with a document that should be a profile: the path to the first value that is not as described, empty
 * for the document itself; undefined when nothing is. It has to agree with `profile-schema.ts`, which is for other
 * programs: a test compares them. This one is here because it is in the way of every look at a guest.
 */
export const profileFault: Check = object(
  {
    formatVersion: that((value) => value === profileFormatVersion),
    architecture: that((value) => architectureNames.some((name) => name === value)),
    digest: text(profileTexts.digest),
    release: textOf(maxRelease),
    banner: textOf(maxBanner),
    buildId: that(
      (value) => value === null || (typeof value === 'string' && profileTexts.buildId.test(value)),
    ),
    reader: text(profileTexts.reader),
    symbols: record(text(profileTexts.address)),
    enums: record(that(Number.isSafeInteger)),
    structs: record(object({ size: that(isOffset), members: record(member) })),
  },
  ['reader'],
);
