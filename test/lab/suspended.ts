import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, cacheFolder, recipeHash, type Say } from './cache.js';
import { captureScript } from './captures.js';
import { ensureBaseImage } from './image.js';
import { Lab, settling, type LabGuest, type UpOptions } from './lab.js';
import { qemuArguments } from './machine.js';
import { defaultRecipe } from './recipe.js';

/** A suspended guest that everyone shares, and what it said about itself right before. */
export interface SuspendedGuest extends LabGuest {
  /** What `captures.ts` names `name`, taken inside the guest a moment before the suspend. */
  inside(name: string): Promise<string>;
}

const NAME = 'guest';

/**
 * A suspended guest as its recipe makes it, without the files and processes that tests want in theirs. Kept and to
 * be used like {@link suspendedGuest}.
 */
export function plainSuspendedGuest(options: UpOptions, say: Say): Promise<LabGuest> {
  return keptGuest(options, false, say);
}

/**
 * A suspended guest of a recipe, ready to be read: never write to its files, {@link Lab.copy} it instead.
 * Made once and kept in the cache; the first time takes one to two minutes.
 */
export async function suspendedGuest(
  options: UpOptions = {},
  say: Say = () => undefined,
): Promise<SuspendedGuest> {
  const guest = await keptGuest(options, true, say);
  return { ...guest, inside: (name) => readFile(join(guest.folder, 'inside', `${name}.txt`), 'utf8') };
}

async function keptGuest(options: UpOptions, capture: boolean, say: Say): Promise<LabGuest> {
  const image = await ensureBaseImage({ ...defaultRecipe, ...options.recipe }, say);
  const machine = {
    name: NAME,
    memory: options.memory ?? 512,
    cpus: options.cpus ?? 1,
    diskFormat: options.diskFormat ?? 'qcow2',
    rootUuid: image.rootUuid,
    forwardedPorts: options.forwardedPorts ?? [80],
  } as const;
  const made = [image.hash, qemuArguments('', machine, false), settling];
  const hash = recipeHash(capture ? [...made, captureScript()] : made);
  const folder = await cached('suspended', hash, say, async (building) => {
    const lab = new Lab({ folder: building, say, tied: true });
    await lab.up(NAME, options);
    await lab.suspend(NAME, { capture });
  });
  return await new Lab({ folder }).get(NAME, 'suspended');
}

/** A lab in a folder of its own, whose guests end with it, or with this process. */
export class TemporaryLab extends Lab implements AsyncDisposable {
  static async open(say: Say = () => undefined): Promise<TemporaryLab> {
    await mkdir(cacheFolder(), { recursive: true });
    return new TemporaryLab({ folder: await mkdtemp(join(cacheFolder(), 'lab-')), say, tied: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { name } of await this.list()) await this.down(name);
    await rm(this.folder, { recursive: true });
  }
}
