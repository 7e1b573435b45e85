import { OuaError } from '../base/errors.js';
import type { Guest } from '../guest/guest.js';
import { namesInShadow, readInShadow, resolveInShadow } from '../shadow/fs/read.js';
import { fileKey, type DiskFiles } from './disk-files.js';
import { parseStatus } from './dpkg-status.js';

/** States that dpkg leaves a package in when it is stopped midway, dpkg(1) "Package states". */
const unfinishedStates = new Set([
  'half-installed',
  'unpacked',
  'half-configured',
  'triggers-awaited',
  'triggers-pending',
]);

/** Programs that change packages while they run. Ones that only wait (unattended-upgrades' daemon) are not here. */
const packageManagers = new Set(['dpkg', 'apt-get', 'apt', 'aptitude', 'dselect', 'synaptic']);

const status = '/var/lib/dpkg/status';
const updates = '/var/lib/dpkg/updates';
const longestStatus = 256 << 20;

/** What dpkg and apt lock while they work (dpkg(1), apt-get(8) FILES). */
const lockFiles = [
  '/var/lib/dpkg/lock',
  '/var/lib/dpkg/lock-frontend',
  '/var/lib/dpkg/triggers/Lock',
  '/var/lib/apt/lists/lock',
  '/var/cache/apt/archives/lock',
];

/**
 * Makes sure that no process of the guest holds a lock of the package managers, whatever it is named.
 *
 * @param root host path of the guest's `/`
 * @throws OuaError `GUEST_BUSY` naming the file and who holds it
 */
export function requireNoDpkgLock(
  root: string,
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
      'resume the guest, let it end, and suspend it again',
    );
  }
}

/**
 * Makes sure that no package work was under way when the guest was suspended. A plan made then would be one of
 * a state that the resumed guest leaves at once.
 *
 * @param root host path of the guest's `/`
 * @param guest undefined: only the disk is looked at
 * @throws OuaError `GUEST_BUSY` naming the process or the package
 */
export function requireQuietDpkg(root: string, guest: Pick<Guest, 'processes'> | undefined): void {
  const busy = (what: string, hint: string) => new OuaError('GUEST_BUSY', what, hint);
  const finish = 'resume the guest, let `dpkg --configure -a` finish, and suspend it again';

  const running = guest?.processes().find(({ comm }) => packageManagers.has(comm));
  if (running)
    throw busy(
      `the guest was suspended while ${running.comm} (pid ${running.pid}) was running`,
      'resume the guest, let it end, and suspend it again',
    );
  // dpkg's journal: one file for each change that is not in the status file yet.
  const journal = namesInShadow(root, updates).filter((name) => /^\d+$/.test(name));
  if (journal.length > 0)
    throw busy(
      `the guest was suspended in the middle of a dpkg run: ${updates} has ${journal.length} entries`,
      finish,
    );
  const packages = parseStatus(readInShadow(root, status, longestStatus)?.toString('utf8') ?? '');
  const unfinished = packages.find(({ state, flag }) => unfinishedStates.has(state) || flag !== 'ok');
  if (unfinished)
    throw busy(
      `the guest's package ${unfinished.name} is ${unfinished.flag === 'ok' ? unfinished.state : unfinished.flag}`,
      finish,
    );
}
