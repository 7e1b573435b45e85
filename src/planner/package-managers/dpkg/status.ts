import type { PackageVersion } from '../changes.js';

export const statusFile = '/var/lib/dpkg/status';
/** Bytes: one of a very full system is some 20 MiB. */
export const longestStatus = 256 << 20;

/** One paragraph of dpkg's status database (deb822(5)), as far as a plan needs it. */
export interface StatusEntry extends PackageVersion {
  /** The three words of `Status:`: desired action, error flag, state (dpkg-query(1)). */
  readonly want: string;
  readonly flag: string;
  readonly state: string;
}

/** Parses `/var/lib/dpkg/status`; paragraphs without a Package or a Status field are skipped, as dpkg does. */
export function parseStatus(text: string): StatusEntry[] {
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

/** The packages of which a version is on the disk. */
export function presentPackages(entries: readonly StatusEntry[]): StatusEntry[] {
  return entries.filter(({ state }) => !absentStates.has(state));
}
