import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../src/base/errors.js';

/** Says in one line what the lab is doing. */
export type Say = (words: string) => void;

/** Where built guests are kept: outside the repository, so that they outlive a clone. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return (
    environment.OUASSISTER_CACHE ??
    join(environment.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ouassister')
  );
}

/** The first 16 hexadecimal digits of the SHA-256 of a value's JSON: the name of what is built from it. */
export function recipeHash(recipe: unknown): string {
  return createHash('sha256').update(JSON.stringify(recipe)).digest('hex').slice(0, 16);
}

/** SHA-256 of a file's bytes, in hexadecimal. */
export async function sha256OfFile(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash);
  return hash.digest('hex');
}

/**
 * Returns the folder `kind/hash` of the cache, building it first when it is not there. It appears in one
 * rename, complete; a build that was killed is begun anew in the same place, so nothing piles up.
 * Of several processes one builds and the others wait.
 */
export async function cached(
  kind: string,
  hash: string,
  say: Say,
  build: (folder: string) => Promise<void>,
): Promise<string> {
  const parent = join(cacheFolder(), kind);
  const ready = join(parent, hash);
  if (await exists(ready)) return ready;
  const lock = await acquireLock(ready, say);
  const building = join(parent, `.building-${hash}`);
  try {
    if (await exists(ready)) return ready;
    await rm(building, { recursive: true, force: true });
    await mkdir(building, { recursive: true });
    await build(building);
    await rename(building, ready);
    return ready;
  } finally {
    await rm(building, { recursive: true, force: true });
    await lock.release();
  }
}

/** @throws what access(2) reports, but for a path that is not there. */
export async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/**
 * Waits for a machine-wide lock. It is an abstract Unix socket (unix(7)): the kernel frees it when its
 * holder ends, however it ends, and it leaves no file.
 */
async function acquireLock(name: string, say: Say): Promise<{ release(): Promise<void> }> {
  const address = `\0ouassister-lab-${recipeHash(name)}`;
  for (let waited = false; ; waited = true) {
    const server = createServer();
    const got = await new Promise<boolean>((resolve, reject) => {
      server.once('error', (error) => (errnoOf(error) === 'EADDRINUSE' ? resolve(false) : reject(error)));
      server.listen(address, () => resolve(true));
    });
    if (got) return { release: () => new Promise((resolve) => server.close(() => resolve())) };
    if (!waited) say('another process is building this: waiting for it');
    await sleep(500);
  }
}
