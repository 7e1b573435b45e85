import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { profileJsonSchema } from '../../src/kernel/profile-schema.js';
import { shippedProfiles } from '../../src/kernel/profile.js';

/** Writes the published schema anew: run it after a change of the profile format. */
writeFileSync(
  join(shippedProfiles, 'profile.schema.json'),
  `${JSON.stringify(profileJsonSchema(), null, 2)}\n`,
);
