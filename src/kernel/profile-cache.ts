import { createHash } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  type Stats,
} from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, OuaError } from '../base/errors.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { releaseOf, type BannerHit } from './banners.js';
import { checkedProfile, profileFileName, type Profile } from './profile.js';
import { reader } from './reader.js';

/** Where in a guest's memory a profile was derived from: bytes from the banner, and how many. */
export interface EvidencePiece {
  readonly offset: number;
  readonly length: number;
}

/** Entries kept, and entries of one banner that are looked at: whoever fills the cache costs time, not answers. */
const maxEntries = 64;
const maxCandidates = 8;
const maxBytes = 8 * 1024 * 1024;
const maxEvidence = 64 * 1024 * 1024;
const maxPieces = 4;

interface Entry {
  readonly evidence: readonly EvidencePiece[];
  /** SHA-256 of the bytes there. */
  readonly digest: string;
  readonly profile: unknown;
}

/** The folder of the user's own derived profiles. */
export function profileCacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ouassister', 'profiles');
}

/**
 * The profile that was once derived from the very bytes that this guest has, or undefined. Two guests may state the
 * same banner and build id, and one of them may lie: so an entry is bound to the digest of what it was derived from,
 * and that is taken from this guest's memory. Entries that others may have written, or that are damaged, do not count.
 */
export function cachedProfile(folder: string, memory: PhysicalMemory, hit: BannerHit): Profile | undefined {
  for (const name of entriesOf(folder, hit.banner).slice(0, maxCandidates)) {
    const profile = readEntry(join(folder, name), memory, hit);
    if (profile) return profile;
  }
  return undefined;
}

/** Keeps a derived profile. A cache that cannot be written to is no error. */
export function keepProfile(
  folder: string,
  memory: PhysicalMemory,
  hit: BannerHit,
  evidence: readonly EvidencePiece[],
  profile: Profile,
): void {
  const digest = evidenceDigest(memory, hit, evidence);
  if (digest === undefined) return;
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    if (!isOurs(lstatSync(folder), 'folder')) return;
    const path = join(folder, `${entryPrefix(hit.banner)}${digest.slice(0, 16)}.json`);
    const temporary = `${path}.${process.pid}.tmp`;
    const text = JSON.stringify({ evidence, digest, profile } satisfies Entry);
    rmSync(temporary, { force: true });
    writeFileSync(temporary, text, { mode: 0o600, flag: 'wx' });
    renameSync(temporary, path);
    removeOldest(folder);
  } catch (error) {
    if (errnoOf(error) === undefined) throw error;
  }
}

function readEntry(path: string, memory: PhysicalMemory, hit: BannerHit): Profile | undefined {
  try {
    const entry: unknown = JSON.parse(readOwnFile(path) ?? '');
    if (!isEntry(entry) || evidenceDigest(memory, hit, entry.evidence) !== entry.digest) return undefined;
    const profile = checkedProfile(path, entry.profile);
    return profile.banner === hit.banner && profile.reader === reader ? profile : undefined;
  } catch (error) {
    // JSON, shape, digest, file: whatever is wrong with an entry, the profile is derived anew.
    if (error instanceof SyntaxError || error instanceof OuaError) return undefined;
    if (errnoOf(error) !== undefined) return undefined;
    throw error;
  }
}

function isEntry(value: unknown): value is Entry {
  const { evidence, digest } = (value ?? {}) as Partial<Record<keyof Entry, unknown>>;
  return (
    typeof digest === 'string' &&
    Array.isArray(evidence) &&
    evidence.length <= maxPieces &&
    evidence.every(isPiece)
  );
}

function isPiece(value: unknown): value is EvidencePiece {
  const { offset, length } = (value ?? {}) as Partial<Record<keyof EvidencePiece, unknown>>;
  return (
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    (length as number) >= 0 &&
    (length as number) <= maxEvidence
  );
}

/** A file that nobody else may have written, through no link. */
function readOwnFile(path: string): string | undefined {
  const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    return isOurs(stats, 'file') && stats.size <= maxBytes ? readFileSync(fd, 'utf8') : undefined;
  } finally {
    closeSync(fd);
  }
}

function isOurs(stats: Stats | undefined, kind: 'file' | 'folder'): boolean {
  if (!stats) return false;
  const right = kind === 'file' ? stats.isFile() : stats.isDirectory();
  return right && stats.uid === process.geteuid?.() && (stats.mode & 0o022) === 0;
}

/** Undefined when the guest has no bytes in one of the places. */
function evidenceDigest(
  memory: PhysicalMemory,
  hit: BannerHit,
  evidence: readonly EvidencePiece[],
): string | undefined {
  const hash = createHash('sha256').update(hit.banner, 'latin1');
  for (const { offset, length } of evidence) {
    const start = hit.physical + offset;
    if (!memory.ranges.some((range) => start >= range.start && start + length <= range.end)) return undefined;
    const bytes = Buffer.allocUnsafe(length);
    memory.readInto(start, bytes);
    hash.update(`\0${offset} ${length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

function entryPrefix(banner: string): string {
  return profileFileName(releaseOf(banner) ?? '', banner).replace(/json$/, '');
}

function entriesOf(folder: string, banner: string): string[] {
  const prefix = entryPrefix(banner);
  try {
    if (!isOurs(lstatSync(folder), 'folder')) return [];
    return readdirSync(folder).filter((name) => name.startsWith(prefix) && name.endsWith('.json'));
  } catch (error) {
    if (errnoOf(error) !== undefined) return [];
    throw error;
  }
}

function removeOldest(folder: string): void {
  const entries = readdirSync(folder)
    .map((name) => ({
      path: join(folder, name),
      stats: statSync(join(folder, name), { throwIfNoEntry: false }),
    }))
    .sort((a, b) => (b.stats?.mtimeMs ?? 0) - (a.stats?.mtimeMs ?? 0));
  for (const { path } of entries.slice(maxEntries)) rmSync(path, { force: true });
}
