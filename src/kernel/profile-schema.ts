import { z } from 'zod';
import { profileSchema } from './profile.js';

/** The JSON Schema of profile files, for other programs that write or check them. */
export function profileJsonSchema(): Record<string, unknown> {
  return {
    title: 'Kernel profile of ouassister',
    description: 'Symbols and structure offsets of one exact kernel build: docs/profile-format.md',
    ...z.toJSONSchema(profileSchema),
  };
}
