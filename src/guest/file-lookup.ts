import { OuaError } from '../base/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { cachedNames } from './directory-entries.js';
import type { GuestFile } from './guest-files.js';
import type { MountTree } from './mount-tree.js';
import type { Place } from './paths.js';

/** MAXSYMLINKS, as `include/linux/namei.h` has it. */
const maxLinks = 40;

/**
 * Where a path leads init, as path_resolution(7) has it. Permissions do not count.
 *
 * @param describe the file at a dentry that exists
 * @throws OuaError `NO_SUCH_FILE`, `NOT_IN_MEMORY`, `GUEST_INCONSISTENT`
 */
export function lookUp(
  kernel: Kernel,
  mounts: MountTree,
  describe: (dentry: bigint) => GuestFile,
  path: string,
): Place {
  const trail: Place[] = [mounts.root];
  const rest = parts(Buffer.from(path)).reverse();
  let links = 0;
  for (let name = rest.pop(); name; name = rest.pop()) {
    if (name.equals(dots.one)) continue;
    if (name.equals(dots.two)) {
      if (trail.length > 1) trail.pop();
      continue;
    }
    const here = trail.at(-1) as Place;
    const directory = describe(here.dentry);
    if (directory.kind !== 'directory')
      throw noSuchFile(path, `${text(name)} is sought in a ${directory.kind}`);
    const found = cachedNames(kernel, kernel.view('dentry', here.dentry)).find((each) =>
      each.name.equals(name),
    );
    if (!found && !directory.complete)
      throw notInMemory(path, `the kernel has the name ${text(name)} not cached`);
    if (!found || found.inode === 0n) throw noSuchFile(path, `there is no ${text(name)}`);
    const place = mounts.visible({ mount: here.mount, dentry: found.dentry });
    const file = describe(place.dentry);
    if (file.kind !== 'symlink') {
      trail.push(place);
      continue;
    }
    if (++links > maxLinks) throw noSuchFile(path, 'too many symbolic links');
    if (!file.target) throw notInMemory(path, `where the symbolic link ${text(name)} leads is not in memory`);
    if (file.target[0] === slash) trail.length = 1;
    rest.push(...parts(file.target).reverse());
  }
  return trail.at(-1) as Place;
}

const slash = 0x2f;
const dots = { one: Buffer.from('.'), two: Buffer.from('..') };

/** The names in a path. */
function parts(path: Buffer): Buffer[] {
  return path
    .toString('latin1')
    .split('/')
    .filter((name) => name !== '')
    .map((name) => Buffer.from(name, 'latin1'));
}

function text(name: Buffer): string {
  return JSON.stringify(name.toString('utf8'));
}

function noSuchFile(path: string, why: string): OuaError {
  return new OuaError('NO_SUCH_FILE', `the guest has no ${path}: ${why}`, 'give a path as the guest has it');
}

function notInMemory(path: string, why: string): OuaError {
  return new OuaError(
    'NOT_IN_MEMORY',
    `the guest's memory does not tell what ${path} is: ${why}`,
    'it may be on the disk: only tmpfs and ramfs are in memory as a whole',
  );
}
