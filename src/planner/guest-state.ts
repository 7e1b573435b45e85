import { OuaError } from '../base/errors.js';
import type { Guest } from '../guest/guest.js';
import { resolveInShadow } from '../shadow/fs/read.js';
import { fileKey, type DiskFiles } from './disk-files.js';
import type { PackageManager } from './package-managers/package-manager.js';

const letItEnd = 'resume the guest, let it end, and suspend it again';

/**
 * Makes sure that no package work was under way when the guest was suspended. A plan made then would be one of
 * a state that the resumed guest leaves at once.
 *
 * @param root host path of the guest's `/`
 * @throws OuaError `GUEST_BUSY` naming the process, the lock or the package
 */
export function requireQuiet(
  root: string,
  managers: readonly PackageManager[],
  guest: Pick<Guest, 'processes' | 'fileLocks'>,
  disk: DiskFiles,
): void {
  for (const manager of managers) {
    requireNoLock(root, manager.lockFiles, guest, disk);
    requireNoneRunning(manager.programs, guest);
    manager.requireQuiet(root);
  }
}

/**
 * Makes sure that no process of the guest holds one of the locks, whatever it is named.
 *
 * @param root host path of the guest's `/`
 * @throws OuaError `GUEST_BUSY` naming the file and who holds it
 */
export function requireNoLock(
  root: string,
  lockFiles: readonly string[],
  guest: Pick<Guest, 'processes' | 'fileLocks'>,
  disk: DiskFiles,
): void {
  const files = lockFiles.map((path) => {
    const real = resolveInShadow(root, path);
    return { path, key: real && disk.key(real) };
  });
  for (const lock of guest.fileLocks()) {
    // By name, too: a lock file that was made a moment ago may not be on the disk yet.
    const file = files.find(({ path, key }) => key === fileKey(lock) || path === lock.path);
    if (!file) continue;
    const holder = guest.processes().find(({ pid }) => pid === lock.pid);
    throw new OuaError(
      'GUEST_BUSY',
      `the guest was suspended while ${holder ? `${holder.comm} (pid ${holder.pid})` : 'a process'} held the lock ${file.path}`,
      letItEnd,
    );
  }
}

/** @throws OuaError `GUEST_BUSY` naming the process */
export function requireNoneRunning(programs: ReadonlySet<string>, guest: Pick<Guest, 'processes'>): void {
  const running = guest.processes().find(({ comm }) => programs.has(comm));
  if (running)
    throw new OuaError(
      'GUEST_BUSY',
      `the guest was suspended while ${running.comm} (pid ${running.pid}) was running`,
      letItEnd,
    );
}
