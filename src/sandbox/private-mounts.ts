import { readlinkSync } from 'node:fs';
import { OuaError } from '../base/errors.js';
import { loadShim, ShimError } from '../native/shim.js';

/** Holds the name of the mount namespace that we came from. */
const marker = 'OUASSISTER_OUTER_MOUNTS';

/**
 * Runs this program again, in its own place, in a mount namespace of its own: whatever ends it, SIGKILL
 * included, its mounts end with it. The process id, the standard streams, the terminal and the exit status stay.
 * Returns only when we are in such a namespace already. Call it before anything else is begun.
 *
 * @throws OuaError `NOT_ROOT`, `PROGRAM_MISSING`, `HOST_FAILED`
 */
export function enterPrivateMountNamespace(): void {
  const current = readlinkSync('/proc/self/ns/mnt');
  const outer = process.env[marker];
  if (outer !== undefined && outer !== current) return;
  if (process.geteuid?.() !== 0) throw new OuaError('NOT_ROOT', 'mounting needs root', 'run as root (sudo)');
  process.env[marker] = current;
  const own = [process.execPath, ...process.execArgv, ...process.argv.slice(1)];
  const argv = ['unshare', '--mount', '--propagation', 'private', '--', ...own];
  const packed = Buffer.from(argv.map((argument) => `${argument}\0`).join(''));
  const error = new ShimError('execve unshare', -loadShim().oua_exec(packed, packed.length));
  throw error.code === 'ENOENT'
    ? new OuaError(
        'PROGRAM_MISSING',
        `the program 'unshare' is not installed`,
        'install it: apt-get install util-linux',
      )
    : new OuaError('HOST_FAILED', error.message, 'run `ouassister doctor`', { cause: error });
}
