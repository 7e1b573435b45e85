import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { errnoOf, OuaError } from '../base/errors.js';
import type { Layout } from './layout.js';
import { architectureNames } from './paging.js';

/** The format that this program writes; `docs/profile-format.md` describes it. */
export const profileFormatVersion = 1;

/** Of the names that {@link profileFileName} makes. */
const fileNameShape = /-[0-9a-f]{12}\.json$/;
const maxFileBytes = 4 * 1024 * 1024;
const offset = z.number().int().min(0).max(262_144);
const member = z.union([z.tuple([offset, offset]), z.tuple([offset, offset, offset, offset])]);

/** What a profile file holds; `kernel-profiles/profile.schema.json` is made from it. */
export const profileSchema = z.strictObject({
  formatVersion: z.literal(profileFormatVersion),
  architecture: z.enum(architectureNames),
  /** SHA-256 of everything else, as {@link profileDigest} takes it: a damaged value cannot pass for a right one. */
  digest: z.string().regex(/^[0-9a-f]{64}$/),
  release: z.string().min(1).max(64),
  /** The whole linux_banner, newline included. */
  banner: z.string().min(1).max(1024),
  /** GNU build id in hexadecimal digits, from the kernel's own notes; null when it has none. */
  buildId: z
    .string()
    .regex(/^([0-9a-f]{2}){8,32}$/)
    .nullable(),
  /** What the program that made it reads of a kernel; another program that reads more passes it over. */
  reader: z
    .string()
    .regex(/^[0-9a-f]{16}$/)
    .optional(),
  /** Addresses as linked, before KASLR; absolute symbols (per-CPU offsets) as they are. */
  symbols: z.record(z.string(), z.string().regex(/^0x[0-9a-f]{1,16}$/)),
  enums: z.record(z.string(), z.number().int()),
  structs: z.record(z.string(), z.strictObject({ size: offset, members: z.record(z.string(), member) })),
});

/** Symbols and struct offsets of one exact kernel build. */
export type Profile = Readonly<Omit<z.infer<typeof profileSchema>, keyof Layout>> & Layout;

/** A profile before it is sealed. */
export type ProfileContent = Omit<Profile, 'digest'>;

/** A profile in a directory: what `profile list` shows. */
export interface ProfileFile {
  readonly path: string;
  readonly profile: Profile;
}

/** The profiles that come with the program. */
export const shippedProfiles = fileURLToPath(new URL('../../../kernel-profiles', import.meta.url));

/** The name that a kernel's profile has in a directory: found without opening any other. */
export function profileFileName(release: string, banner: string): string {
  const digest = createHash('sha256').update(banner, 'latin1').digest('hex');
  return `${release.replace(/[^A-Za-z0-9.+_-]/g, '_')}-${digest.slice(0, 12)}.json`;
}

/** Hexadecimal SHA-256 of a profile's content: its JSON without spaces, keys sorted, and without `digest`. */
export function profileDigest(profile: ProfileContent): string {
  const text = JSON.stringify({ ...profile, digest: undefined }, (_, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  return createHash('sha256').update(text).digest('hex');
}

/** Adds the digest. */
export function sealProfile(content: ProfileContent): Profile {
  const { formatVersion, architecture, ...rest } = content;
  return { formatVersion, architecture, digest: profileDigest(content), ...rest };
}

/**
 * Reads a profile file.
 * @throws OuaError `FILE_MISSING`, or `PROFILE_INVALID` when it is damaged or of another format version.
 */
export function readProfile(path: string): Profile {
  let text: Buffer;
  try {
    text = readFileSync(path);
  } catch (error) {
    throw new OuaError(
      'FILE_MISSING',
      `the kernel profile ${path} cannot be read (${errnoOf(error) ?? String(error)})`,
      'give the path of a profile, or leave it out: it is derived from the guest',
      { cause: error },
    );
  }
  return parseProfile(path, text);
}

/** @throws OuaError `PROFILE_INVALID`. */
export function parseProfile(path: string, text: Buffer): Profile {
  if (text.length > maxFileBytes) throw invalid(path, `it is ${text.length} bytes long`);
  let json: unknown;
  try {
    json = JSON.parse(text.toString('utf8'));
  } catch (error) {
    throw invalid(path, 'it is not JSON', error);
  }
  const version = z.looseObject({ formatVersion: z.number() }).safeParse(json);
  if (version.success && version.data.formatVersion > profileFormatVersion)
    throw invalid(path, `it has the newer format version ${version.data.formatVersion}`);
  const result = profileSchema.safeParse(json);
  if (!result.success) {
    const issue = result.error.issues[0];
    throw invalid(
      path,
      `${issue?.path.join('.') || 'the document'}: ${issue?.message ?? 'not as described'}`,
    );
  }
  const digest = profileDigest(result.data);
  if (digest !== result.data.digest)
    throw invalid(path, `its content has the digest ${digest}, which is not the one it states`);
  return result.data;
}

/** Writes a profile into a directory under its canonical name, and returns the path. Never leaves half a file. */
export function writeProfile(directory: string, profile: Profile): string {
  const path = join(directory, profileFileName(profile.release, profile.banner));
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, formatProfile(profile));
  renameSync(temporary, path);
  return path;
}

/** JSON for people: one line for each struct, one for each symbol. */
export function formatProfile(profile: Profile): string {
  const { symbols, enums, structs, ...head } = profile;
  const lines = (record: object) =>
    Object.entries(record)
      .map(([name, value]) => `    ${JSON.stringify(name)}: ${JSON.stringify(value)}`)
      .join(',\n');
  const first = Object.entries(head).map(
    ([name, value]) => `  ${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  );
  const rest = Object.entries({ symbols, enums, structs }).map(
    ([name, record]) => `  ${JSON.stringify(name)}: {\n${lines(record)}\n  }`,
  );
  return `{\n${[...first, ...rest].join(',\n')}\n}\n`;
}

/**
 * The profiles in a directory, by name. A damaged one is an error: it would otherwise hide.
 * @throws OuaError `FILE_MISSING` when there is no such directory, `PROFILE_INVALID`.
 */
export function listProfiles(directory: string): ProfileFile[] {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    throw new OuaError(
      'FILE_MISSING',
      `the profile directory ${directory} cannot be read (${errnoOf(error) ?? String(error)})`,
      'give a directory that holds kernel profiles',
      { cause: error },
    );
  }
  return names
    .filter((name) => fileNameShape.test(name))
    .sort()
    .map((name) => join(directory, name))
    .map((path) => ({ path, profile: readProfile(path) }));
}

function invalid(path: string, why: string, cause?: unknown): OuaError {
  return new OuaError(
    'PROFILE_INVALID',
    `the kernel profile ${path} cannot be used: ${why}`,
    'make it again: ouassister profile build',
    { cause },
  );
}
