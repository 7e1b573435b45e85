import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { profileJsonSchema } from '../../src/kernel/profile-schema.js';
import { shippedProfiles } from '../../src/kernel/profile.js';

test('the published schema is that of the profiles (npm run pages)', () => {
  const published: unknown = JSON.parse(readFileSync(join(shippedProfiles, 'profile.schema.json'), 'utf8'));
  expect(published).toEqual(profileJsonSchema());
  expect(published).toMatchObject({
    properties: { formatVersion: { const: 1 }, architecture: { enum: ['x86-64', 'aarch64'] } },
    additionalProperties: false,
  });
});
