import { z } from 'zod';
import { maxStructSize } from './layout.js';
import { architectureNames } from './paging.js';
import { maxBanner, maxRelease, profileFormatVersion, profileTexts } from './profile-shape.js';

const offset = z.number().int().min(0).max(maxStructSize);
const member = z.union([z.tuple([offset, offset]), z.tuple([offset, offset, offset, offset])]);

/** What a profile file holds, as `profile-shape.ts` says it; `kernel-profiles/profile.schema.json` is made from it. */
export const profileSchema = z.strictObject({
  formatVersion: z.literal(profileFormatVersion),
  architecture: z.enum(architectureNames),
  digest: z.string().regex(profileTexts.digest),
  release: z.string().min(1).max(maxRelease),
  banner: z.string().min(1).max(maxBanner),
  buildId: z.string().regex(profileTexts.buildId).nullable(),
  reader: z.string().regex(profileTexts.reader).optional(),
  symbols: z.record(z.string(), z.string().regex(profileTexts.address)),
  enums: z.record(z.string(), z.number().int()),
  structs: z.record(z.string(), z.strictObject({ size: offset, members: z.record(z.string(), member) })),
});

/** The JSON Schema of profile files, for other programs that write or check them. */
export function profileJsonSchema(): Record<string, unknown> {
  return {
    title: 'Kernel profile of ouassister',
    description: 'Symbols and structure offsets of one exact kernel build: docs/profile-format.md',
    ...z.toJSONSchema(profileSchema),
  };
}
