import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { errnoOf, OuaError } from '../base/errors.js';
import { profileFault, profileFormatVersion, type Profile } from './profile-shape.js';

export type { Profile } from './profile-shape.js';

/** Of the names that {@link profileFileName} makes. */
const fileNameShape = /-[0-9a-f]{12}\.json$/;
const maxFileBytes = 4 * 1024 * 1024;

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
  return createHash('sha256')
    .update(sortedJson({ ...profile, digest: undefined }))
    .digest('hex');
}

function sortedJson(value: unknown): string {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return JSON.stringify(value);
  const members = value as Readonly<Record<string, unknown>>;
  const parts = Object.keys(members)
    .filter((key) => members[key] !== undefined)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${sortedJson(members[key])}`);
  return `{${parts.join(',')}}`;
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
  return checkedProfile(path, json);
}

/**
 * A document as a profile.
 * @param path of the file that it is from, for the error
 * @throws OuaError `PROFILE_INVALID`.
 */
export function checkedProfile(path: string, json: unknown): Profile {
  const version = (json as { formatVersion?: unknown } | null)?.formatVersion;
  if (typeof version === 'number' && version > profileFormatVersion)
    throw invalid(path, `it has the newer format version ${version}`);
  const fault = profileFault(json);
  if (fault) throw invalid(path, `${fault.join('.') || 'the document'} is not as described`);
  const profile = json as Profile;
  const digest = profileDigest(profile);
  if (digest !== profile.digest)
    throw invalid(path, `its content has the digest ${digest}, which is not the one it states`);
  return profile;
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
