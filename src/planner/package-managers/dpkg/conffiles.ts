import type { ConffileChoice, ConffileDecision } from '../../../plan/model.js';
import { readInShadow, resolveInShadow } from '../../../shadow/fs/read.js';
import { decisionsBeside, digestInShadow, type ChangedTree, type Keeper } from '../configuration-files.js';
import { longestStatus, statusFile } from './status.js';

/**
 * What dpkg is told to do about a configuration file that both the administrator and the package have changed.
 *
 * `DPKG_FORCE` takes the place of dpkg's built-in defaults (dpkg(1), ENVIRONMENT), which since dpkg 1.19.5, the first
 * that knows it, are `security-mac` and `downgrade` (src/common/force.c): so they are given again. The guest's dpkg.cfg and apt's
 * `Dpkg::Options` come on top of it and win. There is no `confdef` here: every question of dpkg's has
 * `keep` for its default, so that it would add nothing to `confold`, and would overrule a `confnew` of the guest's.
 */
export function conffileEnvironment(choice: ConffileChoice): Readonly<Record<string, string>> {
  return { DPKG_FORCE: `security-mac,downgrade,${choice === 'keep' ? 'confold' : 'confnew'}` };
}

/** dpkg's src/main/configure.c, deferred_configure_conffile; ucf(1), FILES. */
const keepers: readonly Keeper[] = [
  { by: 'dpkg', suffix: '.dpkg-dist', decision: 'keep' },
  { by: 'dpkg', suffix: '.dpkg-old', decision: 'install' },
  { by: 'ucf', suffix: '.ucf-dist', decision: 'keep' },
  { by: 'ucf', suffix: '.ucf-old', decision: 'install' },
];

const diversionsFile = '/var/lib/dpkg/diversions';
const registry = '/var/lib/ucf/registry';
/** Bytes. */
const longestList = 16 << 20;

/** One entry of a `Conffiles` field. */
export interface Conffile {
  /** As the package calls it. */
  readonly path: string;
  readonly package: string;
  /** Of the package's version, in hex; `newconffile` before it was configured. */
  readonly md5: string;
}

/**
 * The `Conffiles` fields of dpkg's status database: a line ` PATH MD5`, perhaps with `obsolete` or `remove-on-upgrade`
 * after it, for each file (dpkg's lib/dpkg/fields.c). latin1.
 */
export function parseConffiles(status: string): Conffile[] {
  return status.split(/\n{2,}/).flatMap((paragraph) => {
    const name = /^Package:[ \t]*(.*)$/im.exec(paragraph)?.[1];
    const field = /^Conffiles:[^\n]*\n((?: [^\n]*(?:\n|$))+)/im.exec(paragraph)?.[1];
    if (name === undefined || field === undefined) return [];
    return field.split('\n').flatMap((line) => {
      const [, path, md5] = /^ (\/.*?) ([0-9a-f]{32}|newconffile)(?: |$)/.exec(line) ?? [];
      return path === undefined || md5 === undefined ? [] : [{ path, md5, package: name }];
    });
  });
}

/** dpkg's status database. latin1. */
export function readStatusText(root: string): string {
  return readInShadow(root, statusFile, longestStatus)?.toString('latin1') ?? '';
}

/**
 * What became of configuration files that both the administrator and a package had changed: dpkg's conffiles, and files
 * that ucf(1) cares for.
 *
 * dpkg tells it in its log, if it keeps one and wherever that is; what it does is the same everywhere: the version
 * that was not taken lies beside the file under a name of its own.
 *
 * @param statusBefore dpkg's status database before the update, latin1
 */
export function conffileDecisions(tree: ChangedTree, statusBefore: string): ConffileDecision[] {
  const { root } = tree;
  const conffiles = parseConffiles(readStatusText(root));
  const names = new ConffileNames(root, conffiles);
  const registered = registeredFiles(root);
  const beside = decisionsBeside(tree, keepers, (file, { by }) => {
    const name = file.toString('latin1');
    if (by === 'ucf') return { path: file, package: registered.get(name) };
    const known = names.find(name);
    return known && { path: Buffer.from(known.path, 'latin1'), package: known.package };
  });
  return [...beside, ...broughtBack(tree, conffiles, parseConffiles(statusBefore))].sort((a, b) =>
    Buffer.compare(a.path, b.path),
  );
}

/** Finds conffiles by the names that dpkg works on: where a diversion leads, and where links lead. */
class ConffileNames {
  readonly #root: string;
  readonly #names = new Map<string, Conffile>();
  #resolved: ReadonlyMap<string, Conffile> | undefined;

  constructor(root: string, conffiles: readonly Conffile[]) {
    this.#root = root;
    const diversions = readDiversions(root);
    for (const each of conffiles) {
      const diverted = diversions.get(each.path);
      const path = diverted && diverted.by !== each.package ? diverted.to : each.path;
      this.#names.set(path, { ...each, path });
    }
  }

  /** @param path latin1 */
  find(path: string): Conffile | undefined {
    return this.#names.get(path) ?? this.#byRealName().get(this.#realName(path));
  }

  #byRealName(): ReadonlyMap<string, Conffile> {
    return (this.#resolved ??= new Map(
      [...this.#names.values()].map((each) => [this.#realName(each.path), each]),
    ));
  }

  /** What there is none of keeps its name. */
  #realName(path: string): string {
    const text = Buffer.from(path, 'latin1').toString('utf8');
    return resolveInShadow(this.#root, text)?.toString('latin1') ?? path;
  }
}

/** Three lines each: from, to, the package that diverts or `:` (dpkg's lib/dpkg/db-fsys-divert.c). */
function readDiversions(root: string): ReadonlyMap<string, { readonly to: string; readonly by: string }> {
  const lines = (readInShadow(root, diversionsFile, longestList)?.toString('latin1') ?? '').split('\n');
  const diversions = new Map<string, { to: string; by: string }>();
  for (let at = 0; at + 2 < lines.length; at += 3)
    diversions.set(lines[at]!, { to: lines[at + 1]!, by: lines[at + 2]! });
  return diversions;
}

/** Lines of a package and a path; ucfr(1). latin1. */
function registeredFiles(root: string): ReadonlyMap<string, string> {
  const text = readInShadow(root, registry, longestList)?.toString('latin1') ?? '';
  return new Map(
    text.split('\n').flatMap((line) => {
      const [, name, path] = /^\s*(\S+)\s+(\/.*?)\s*$/.exec(line) ?? [];
      return name === undefined || path === undefined ? [] : [[path, name] as const];
    }),
  );
}

/** Conffiles that the administrator had deleted, and that are there again as the package has them. Nothing is left beside them. */
function broughtBack(
  { root, touched, before }: ChangedTree,
  conffiles: readonly Conffile[],
  known: readonly Conffile[],
): ConffileDecision[] {
  const changed = new Set(touched);
  const knownBefore = new Set(known.map(({ path, package: name }) => `${name} ${path}`));
  // A package of several architectures has each of them several times.
  const each = new Map(conffiles.map((conffile) => [conffile.path, conffile]));
  return [...each.values()].flatMap(({ path, package: name, md5 }) => {
    const at = Buffer.from(path, 'latin1');
    if (!changed.has(path) || !knownBefore.has(`${name} ${path}`) || before(at).type !== 'absent') return [];
    const offered = digestInShadow(root, at);
    if (offered === undefined || digestInShadow(root, at, 'md5') !== md5) return [];
    return [
      {
        ...{ path: at, package: name, by: 'dpkg', decision: 'install' },
        ...{ admin: undefined, offered, beside: undefined },
      } as const,
    ];
  });
}
