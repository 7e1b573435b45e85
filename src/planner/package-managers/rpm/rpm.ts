import { closeSync, fstatSync } from 'node:fs';
import { posix } from 'node:path';
import { OuaError } from '../../../base/errors.js';
import type { Note } from '../../../plan/model.js';
import { openInShadow, readInShadow, resolveInShadow } from '../../../shadow/fs/read.js';
import { packageChanges } from '../changes.js';
import { decisionsBeside, type ChangedTree, type Keeper } from '../configuration-files.js';
import type { PackageManager, PackageRun, ScriptExec, ScriptStop } from '../package-manager.js';
import { databaseDirectories, findDatabase, readDatabase, type DatabaseEntry } from './database.js';
import type { Header } from './header.js';
import { openFiles } from './open-files.js';
import { packageFiles, packageName, packageVersion } from './package.js';
import { readPackageFile } from './package-file.js';
import { hasInput, takeInput } from './input.js';
import { ScriptletIndex } from './scriptlet-index.js';
import { scriptletsOf } from './scriptlets.js';
import { RpmWork } from './work.js';

/** rpm(8), with dnf(8) and its like as front ends. */
export const rpm: PackageManager = {
  name: 'rpm',
  programs: new Set(['rpm', 'dnf', 'dnf5', 'microdnf', 'yum', 'zypper']),
  lockFiles: databaseDirectories.map((directory) => `${directory}/.rpm.lock`),
  databases: [
    ...databaseDirectories,
    ...['/var/lib/dnf', '/etc/rpm', '/etc/dnf', '/etc/yum.conf', '/etc/yum.repos.d'],
  ],
  isIn: (root) => findDatabase(root) !== undefined,
  // rpm keeps no record of what it has begun: a run that is under way shows by its lock.
  requireQuiet: () => undefined,
  follow: (root) => new RpmRun(root),
};

/** rpm's lib/rpmfi.c, rpmfilesDecideFate, and lib/fsm.c. */
const keepers: readonly Keeper[] = [
  { by: 'rpm', suffix: '.rpmnew', decision: 'keep' },
  { by: 'rpm', suffix: '.rpmsave', decision: 'install' },
  { by: 'rpm', suffix: '.rpmorig', decision: 'install' },
];

/** What rpm calls the file that it writes a scriptlet to, in `%_tmppath`: rpm's lib/rpmscript.c. */
const temporaryFile = /\/rpm-tmp\.\w{6}$/;
const lockFile = '.rpm.lock';
/** Bytes: rpm itself has them as part of a header. */
const longestText = 256 << 20;
/** What rpm writes before the text when it is told to say more (`-vv`). */
const debugging = 'set -x\n';

const latin1 = (bytes: Buffer) => bytes.toString('latin1');

class RpmRun implements PackageRun {
  /** Any program may be the interpreter of a scriptlet. */
  readonly asks = 'every program';
  readonly #root: string;
  readonly #before: readonly DatabaseEntry[];
  readonly #scriptlets = new ScriptletIndex();
  /** Package files whose scriptlets are known: their package's names by path. */
  readonly #archives = new Map<string, string>();
  #known = 0;

  constructor(root: string) {
    this.#root = root;
    this.#before = this.#read();
    this.#learn(this.#before);
  }

  script({ pid, absolutePath, argv, root }: ScriptStop): ScriptExec | undefined {
    // Another root's packages are not the guest's.
    if (root.length > 1) return undefined;
    const words = argv.map(latin1);
    const argument = words.findIndex((word, at) => at > 0 && temporaryFile.test(word));
    const alone = argument < 0;
    if (alone && words.length === 0) return undefined;
    const open = openFiles(pid);
    // rpm closes its files for what it runs: who has its lock is rpm itself.
    if (!open.some((path) => posix.basename(path) === lockFile)) return undefined;
    const given = alone ? undefined : readInShadow(this.#root, words[argument]!, longestText);
    const program = resolveInShadow(this.#root, latin1(absolutePath));
    if (!program || (!alone && !given)) return undefined;
    const running = {
      program: alone ? words : words.slice(0, argument),
      text: given && withoutPrefix(latin1(given)),
      args: alone ? [] : words.slice(argument + 1),
      installing: this.#installing(open),
    };
    const found = this.#scriptlets.find(running) ?? (this.#learnMore(), this.#scriptlets.find(running));
    if (!found && alone) return undefined;
    return {
      ...(found ?? { kind: 'unknown', package: 'unknown' }),
      args: running.args,
      ...(given && { text: { bytes: given, argument, program } }),
      ...(hasInput(pid) && { takeInput: () => takeInput(pid) }),
    };
  }

  changes() {
    return packageChanges(versions(this.#before), versions(this.#read()));
  }

  notes(): Note[] {
    const old = new Set(this.#before.map(({ number }) => number));
    const entries = this.#read();
    const kept = new Set(entries.map(({ number }) => number));
    const touched = [
      ...entries.filter(({ number }) => !old.has(number)),
      ...this.#before.filter(({ number }) => !kept.has(number)),
    ];
    const lua = touched.flatMap(({ header }) =>
      scriptletsOf(header).filter(({ program }) => program[0] === '<lua>'),
    );
    return [...new Set(lua.map((each) => `${each.package}.${each.kind}`))].map((name) => ({
      code: 'SCRIPT_INSIDE_RPM',
      text: `${name} is in Lua, which rpm runs itself: if it ran, it did when the plan was made`,
    }));
  }

  conffiles(tree: ChangedTree) {
    const owners = fileOwners(this.#read());
    return decisionsBeside(tree, keepers, (path) => {
      const name = path.toString('latin1');
      return owners.has(name) ? { path, package: owners.get(name) } : undefined;
    });
  }

  questions() {
    return [];
  }

  work() {
    const owners = fileOwners(this.#before);
    return new RpmWork((path) => owners.get(path));
  }

  /** The package that rpm installs: its file is open while it does. */
  #installing(open: readonly string[]): string | undefined {
    const names = open
      .filter((path) => path.endsWith('.rpm'))
      .flatMap((path) => this.#archives.get(path) ?? this.#learnArchive(path) ?? []);
    return names.length === 1 ? names[0] : undefined;
  }

  #learnArchive(path: string): string | undefined {
    const descriptor = openInShadow(this.#root, path);
    if (descriptor === undefined) return undefined;
    let header: Header;
    try {
      if (!fstatSync(descriptor).isFile()) return undefined;
      header = readPackageFile(descriptor);
    } catch (error) {
      // A file of that name that is no package: rpm, too, has refused it.
      if (error instanceof OuaError) return undefined;
      throw error;
    } finally {
      closeSync(descriptor);
    }
    const name = packageName(header);
    this.#archives.set(path, name);
    this.#scriptlets.add(scriptletsOf(header));
    return name;
  }

  /** What was installed meanwhile. */
  #learnMore(): void {
    this.#learn(this.#read(this.#known));
  }

  #learn(entries: readonly DatabaseEntry[]): void {
    for (const { number, header } of entries) {
      this.#scriptlets.add(scriptletsOf(header));
      this.#known = Math.max(this.#known, number);
    }
  }

  #read(after?: number): DatabaseEntry[] {
    const directory = findDatabase(this.#root);
    if (directory !== undefined) return readDatabase(this.#root, directory, after);
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      'the guest has no RPM database',
      'an update must leave the package manager in place',
    );
  }
}

/** The packages of files, by path; what several packages have is none's. */
function fileOwners(entries: readonly DatabaseEntry[]): ReadonlyMap<string, string | undefined> {
  const owners = new Map<string, string | undefined>();
  for (const { header } of entries) {
    const name = packageName(header);
    for (const path of packageFiles(header))
      owners.set(path, owners.has(path) && owners.get(path) !== name ? undefined : name);
  }
  return owners;
}

const versions = (entries: readonly DatabaseEntry[]) => entries.map(({ header }) => packageVersion(header));

const withoutPrefix = (text: string) => (text.startsWith(debugging) ? text.slice(debugging.length) : text);
