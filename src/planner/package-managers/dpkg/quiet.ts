import { OuaError } from '../../../base/errors.js';
import { namesInShadow, readInShadow } from '../../../shadow/fs/read.js';
import { longestStatus, parseStatus, statusFile } from './status.js';

/** States that dpkg leaves a package in when it is stopped midway, dpkg(1) "Package states". */
const unfinishedStates = new Set([
  'half-installed',
  'unpacked',
  'half-configured',
  'triggers-awaited',
  'triggers-pending',
]);

const updates = '/var/lib/dpkg/updates';

/**
 * Makes sure that dpkg was not stopped midway.
 *
 * @param root host path of the guest's `/`
 * @throws OuaError `GUEST_BUSY` naming the package
 */
export function requireQuietDpkg(root: string): void {
  const busy = (what: string) =>
    new OuaError(
      'GUEST_BUSY',
      what,
      'resume the guest, let `dpkg --configure -a` finish, and suspend it again',
    );
  // dpkg's journal: one file for each change that is not in the status file yet.
  const journal = namesInShadow(root, updates).filter((name) => /^\d+$/.test(name));
  if (journal.length > 0)
    throw busy(
      `the guest was suspended in the middle of a dpkg run: ${updates} has ${journal.length} entries`,
    );
  const packages = parseStatus(readInShadow(root, statusFile, longestStatus)?.toString('utf8') ?? '');
  const unfinished = packages.find(({ state, flag }) => unfinishedStates.has(state) || flag !== 'ok');
  if (unfinished)
    throw busy(
      `the guest's package ${unfinished.name} is ${unfinished.flag === 'ok' ? unfinished.state : unfinished.flag}`,
    );
}
