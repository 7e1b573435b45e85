import { readFileSync } from 'node:fs';
import { z } from 'zod';

const manifest = new URL('../../../package.json', import.meta.url);

/** Folder of the installed program: where `native-shim/` and `kernel-profiles/` lie. */
export const installation = new URL('../../../', import.meta.url);

/** Version of this program, as in package.json. */
export const version = z
  .object({ version: z.string() })
  .parse(JSON.parse(readFileSync(manifest, 'utf8'))).version;
