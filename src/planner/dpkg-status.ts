import type { PackageChange } from '../plan/model.js';

/** One paragraph of dpkg's status database (deb822(5)), as far as a plan needs it. */
export interface InstalledPackage {
  readonly name: string;
  readonly architecture: string;
  readonly version: string;
  /** The three words of `Status:`: desired action, error flag, state (dpkg-query(1)). */
  readonly want: string;
  readonly flag: string;
  readonly state: string;
}

/** Parses `/var/lib/dpkg/status`; paragraphs without a Package or a Status field are skipped, as dpkg does. */
export function parseStatus(text: string): InstalledPackage[] {
  return text.split(/\n{2,}/).flatMap((paragraph) => {
    const fields = new Map(
      [...paragraph.matchAll(/^([A-Za-z][\w-]*):[ \t]*(.*)$/gm)].map(([, name, value]) => [
        name!.toLowerCase(),
        value!,
      ]),
    );
    const name = fields.get('package');
    const [want, flag, state] = (fields.get('status') ?? '').split(' ');
    if (!name || !want || !flag || !state) return [];
    return [
      {
        name,
        architecture: fields.get('architecture') ?? '',
        version: fields.get('version') ?? '',
        want,
        flag,
        state,
      },
    ];
  });
}

/** States in which a version of the package is on the disk; in the others only its configuration may be. */
const absentStates = new Set(['not-installed', 'config-files']);

/** What changed from one status database to another, by package name. */
export function packageChanges(
  before: readonly InstalledPackage[],
  after: readonly InstalledPackage[],
): PackageChange[] {
  const versions = (list: readonly InstalledPackage[]) =>
    new Map(list.filter((p) => !absentStates.has(p.state)).map((p) => [`${p.name}:${p.architecture}`, p]));
  const old = versions(before);
  const now = versions(after);
  return [...new Set([...old.keys(), ...now.keys()])]
    .filter((key) => old.get(key)?.version !== now.get(key)?.version)
    .sort()
    .map((key) => {
      const { name, architecture } = (now.get(key) ?? old.get(key))!;
      return { name, architecture, from: old.get(key)?.version, to: now.get(key)?.version };
    });
}
