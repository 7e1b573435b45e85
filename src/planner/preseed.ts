import { readFileSync } from 'node:fs';
import { mkdtemp, rmdir, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errnoOf, OuaError } from '../base/errors.js';
import { mount, unmount } from '../native/mounts.js';
import { ResourceStack } from '../base/resources.js';
import { ownFolder, type SandboxFile } from '../sandbox/sandbox.js';
import { resolveInShadow } from '../shadow/fs/read.js';
import { checkSelections } from './package-managers/dpkg/debconf.js';

const program = '/usr/bin/debconf-set-selections';
const inside = `${ownFolder}/preseed`;
/** Bytes. */
const longest = 4 << 20;

/**
 * Answers to debconf's questions, which the guest's own debconf-set-selections(1) puts into its database before the
 * update. They are in a file that only the command which reads it can see, and in no argument: passwords may be among them.
 */
export interface Preseed extends AsyncDisposable {
  readonly command: readonly string[];
  readonly file: SandboxFile;
  /** @throws OuaError `GUEST_UNSUPPORTED` when the guest has no debconf */
  requireDebconf(root: string): void;
}

/**
 * Reads and checks answers. What was checked is what is used, also when it came through a pipe: it is copied, to memory
 * only, where it ends with us however we end.
 *
 * @throws OuaError `FILE_MISSING`, `USAGE` with the number of a bad line
 */
export async function readPreseed(path: string): Promise<Preseed> {
  const bytes = readAnswers(path);
  checkSelections(bytes.toString('utf8'), path);
  await using stack = new ResourceStack();
  const folder = await mkdtemp(join(tmpdir(), 'ouassister-preseed-'));
  stack.defer(() => rmdir(folder));
  mount('tmpfs', 'tmpfs', folder, ['nodev', 'nosuid', 'noexec', 'mode=700']);
  stack.defer(() => unmount(folder));
  const file = { host: join(folder, 'answers'), at: inside };
  await writeFile(file.host, bytes, { mode: 0o600 });
  const held = stack.move();
  return {
    command: [program, inside],
    file,
    requireDebconf(root) {
      if (resolveInShadow(root, program)) return;
      throw new OuaError('GUEST_UNSUPPORTED', `the guest has no ${program}`, 'plan without --preseed');
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

function readAnswers(path: string): Buffer {
  let bytes;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'EISDIR') throw error;
    throw new OuaError('FILE_MISSING', `${path} is no file`, 'check the name', { cause: error });
  }
  if (bytes.length > longest)
    throw new OuaError('USAGE', `${path} has more than ${longest} bytes`, 'is it a file of answers?');
  return bytes;
}
