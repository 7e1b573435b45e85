import { OuaError } from '../../src/base/errors.js';
import { tool } from './tools.js';

/** Where a guest gets its packages from: archive roots, as in sources.list(5). */
export interface Mirrors {
  readonly main: string;
  /** Undefined where this machine knows no security archive. */
  readonly security: string | undefined;
  /** `apt.conf` lines that this machine needs to use them, and a guest as well. */
  readonly aptOptions: readonly string[];
}

/** Settings of apt that decide whether the mirrors can be used from here, e.g. with a clock that is off. */
const carriedOver = /^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) /;

/**
 * Takes the mirrors from this machine's own apt configuration, or from `OUASSISTER_MIRROR` and
 * `OUASSISTER_SECURITY_MIRROR`.
 * @throws OuaError `HOST_UNSUPPORTED` when there is no Debian archive in either.
 */
export async function findMirrors(environment: NodeJS.ProcessEnv = process.env): Promise<Mirrors> {
  const targets = await tool('apt-get', [
    'indextargets',
    '--no-release-info',
    '--format',
    '$(CREATED_BY) $(REPO_URI) $(RELEASE) $(COMPONENT)',
  ]);
  const found = mirrorsOf(targets);
  const main = environment.OUASSISTER_MIRROR ?? found.main;
  if (main === undefined)
    throw new OuaError(
      'HOST_UNSUPPORTED',
      "this machine's apt configuration names no Debian archive",
      'set OUASSISTER_MIRROR to the root of one',
    );
  return {
    main,
    security: environment.OUASSISTER_SECURITY_MIRROR ?? found.security,
    aptOptions: (await tool('apt-config', ['dump'])).split('\n').filter((line) => carriedOver.test(line)),
  };
}

/** Picks the archives out of what `apt-get indextargets` prints; a release `X-security` tells which X is Debian's. */
export function mirrorsOf(targets: string): { main: string | undefined; security: string | undefined } {
  const rows = targets
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([createdBy, , , component]) => createdBy === 'Packages' && component === 'main');
  const securityRow = rows.find(([, , release]) => release?.endsWith('-security'));
  const codename = securityRow?.[2]?.replace(/-security$/, '');
  const mainRow = rows.find(([, , release]) =>
    codename === undefined ? /^[a-z]+$/.test(release ?? '') : release === codename,
  );
  return { main: mainRow?.[1], security: securityRow?.[1] };
}
