import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OuaError } from '../../../src/base/errors.js';
import { buildProfile } from '../../../src/kernel/open.js';
import { formatProfile, type Profile } from '../../../src/kernel/profile.js';
import { openMemory } from '../../../src/memory/open.js';
import type { Surroundings } from '../work.js';
import { pagedImage } from './images.js';

/** MiB of the guests' memory, small first. */
const sizes = [512, 5120] as const;
export type Size = (typeof sizes)[number];

/** A guest's saved memory and its kernel's profile in a file. */
export interface Image {
  readonly size: Size;
  readonly path: string;
  readonly profilePath: string;
  readonly profile: Profile;
}

/** The images that a work reads: a short run does with the small one. The first time they are made: some minutes. */
export async function openImages({ short, folder, say }: Surroundings): Promise<readonly Image[]> {
  const images: Image[] = [];
  for (const size of short ? sizes.slice(0, 1) : sizes) {
    const path = await pagedImage(size, say);
    using memory = await openMemory(path);
    const profile = buildProfile(memory);
    const profilePath = join(folder, `profile-${size}.json`);
    writeFileSync(profilePath, formatProfile(profile));
    images.push({ size, path, profilePath, profile });
  }
  return images;
}

/** The image of a size. */
export function imageOf(images: readonly Image[], size: Size): Image {
  const image = images.find((each) => each.size === size);
  if (image) return image;
  throw new OuaError('INTERNAL', `there is no image of ${size} MiB`, 'report this');
}
