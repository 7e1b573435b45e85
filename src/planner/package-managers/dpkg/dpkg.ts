import { OuaError } from '../../../base/errors.js';
import { readInShadow, resolveInShadow } from '../../../shadow/fs/read.js';
import { packageChanges } from '../changes.js';
import type { PackageManager, PackageRun, ScriptExec, ScriptStop, WorkListener } from '../package-manager.js';
import type { ChangedTree } from '../configuration-files.js';
import { conffileDecisions, conffileEnvironment, readStatusText } from './conffiles.js';
import { changedQuestions, readQuestions, type DebconfQuestions } from './debconf.js';
import { installedFiles } from './installed-files.js';
import { maintainerScript, scriptDirectories } from './maintainer-scripts.js';
import { requireQuietDpkg } from './quiet.js';
import { longestStatus, parseStatus, presentPackages, statusFile, type StatusEntry } from './status.js';
import { DpkgWork } from './work.js';

/** dpkg(1), with apt(8) and its like as front ends. */
export const dpkg: PackageManager = {
  name: 'dpkg',
  programs: new Set(['dpkg', 'apt-get', 'apt', 'aptitude', 'dselect', 'synaptic']),
  // dpkg(1), apt-get(8) FILES.
  lockFiles: [
    '/var/lib/dpkg/lock',
    '/var/lib/dpkg/lock-frontend',
    '/var/lib/dpkg/triggers/Lock',
    '/var/lib/apt/lists/lock',
    '/var/cache/apt/archives/lock',
  ],
  databases: ['/var/lib/dpkg', '/var/lib/apt', '/etc/apt', '/etc/dpkg'],
  conffileEnvironment,
  isIn: (root) => resolveInShadow(root, statusFile) !== undefined,
  requireQuiet: requireQuietDpkg,
  follow: (root) => new DpkgRun(root),
};

class DpkgRun implements PackageRun {
  readonly asks = scriptDirectories;
  readonly closing = 'triggers';
  readonly #root: string;
  readonly #before: readonly StatusEntry[];
  readonly #statusBefore: string;
  readonly #questionsBefore: DebconfQuestions;

  constructor(root: string) {
    this.#root = root;
    this.#before = readStatus(root);
    this.#statusBefore = readStatusText(root);
    this.#questionsBefore = readQuestions(root);
  }

  script({ absolutePath, argv, environment }: ScriptStop): ScriptExec | undefined {
    const script = maintainerScript(absolutePath.toString('latin1'), environment);
    return script && { ...script, args: argv.slice(1).map((word) => word.toString('latin1')) };
  }

  changes() {
    return packageChanges(presentPackages(this.#before), presentPackages(readStatus(this.#root)));
  }

  conffiles(tree: ChangedTree) {
    return conffileDecisions(tree, this.#statusBefore);
  }

  questions() {
    return changedQuestions(this.#root, this.#questionsBefore);
  }

  notes() {
    return [];
  }

  work(listener: WorkListener) {
    const files = installedFiles(this.#root, this.#before);
    return new DpkgWork({ ...listener, installed: (path) => files.get(path) });
  }
}

function readStatus(root: string): StatusEntry[] {
  const status = readInShadow(root, statusFile, longestStatus);
  if (!status)
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `the guest has no ${statusFile}`,
      'an update must leave the package manager in place',
    );
  return parseStatus(status.toString('utf8'));
}
