import { OuaError } from '../base/errors.js';
import type { Guest } from '../guest/guest.js';
import { namesInShadow, readInShadow } from '../shadow/fs/read.js';
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
