import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { OuaError } from '../base/errors.js';
import { installation } from '../base/installation.js';

/**
 * Path of the static agent program on this host.
 *
 * @throws OuaError `SHIM_MISSING` when it has not been built.
 */
export function agentProgram(): string {
  const path = fileURLToPath(new URL('native-shim/build/agent', installation));
  if (!existsSync(path))
    throw new OuaError('SHIM_MISSING', `${path} is not built`, 'run `npm run build` in the program folder');
  return path;
}
