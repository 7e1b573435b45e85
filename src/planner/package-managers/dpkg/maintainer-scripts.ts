import type { ScriptKind } from '../../../plan/model.js';
import type { PackageScript } from '../package-manager.js';

const adminDirectory = '/var/lib/dpkg';
/** Every path that `maintainerScript` knows lies directly in one of these. */
export const scriptDirectories = [`${adminDirectory}/info`, `${adminDirectory}/tmp.ci`] as const;
/** Installed packages: `<package>.<kind>`, or `<package>:<arch>.<kind>` for Multi-Arch: same. */
const installed = new RegExp(
  `^${adminDirectory}/info/([^/:]+)(?::[^/]+)?\\.(preinst|prerm|postinst|postrm)$`,
);
/** The package that is being unpacked: its control files lie in a temporary directory. */
const unpacking = new RegExp(`^${adminDirectory}/tmp\\.ci/(preinst|prerm|postinst|postrm)$`);

/**
 * Tells whether an execve(2) runs a maintainer script as dpkg names it on disk (Debian Policy 6.1, dpkg(1) FILES), and
 * which.
 *
 * dpkg executes scripts by these two forms of path and no other; the package of one in the temporary
 * control directory is named only by `DPKG_MAINTSCRIPT_PACKAGE`, which dpkg always sets.
 *
 * @param path absolute and normalised, as the tracee sees it
 * @param environment `NAME=value` entries of the call
 */
export function maintainerScript(path: string, environment: readonly Buffer[]): PackageScript | undefined {
  const known = installed.exec(path);
  if (known) return { package: known[1]!, kind: known[2] as ScriptKind };
  const fresh = unpacking.exec(path);
  if (!fresh) return undefined;
  const prefix = 'DPKG_MAINTSCRIPT_PACKAGE=';
  const owner = environment.find((entry) => entry.subarray(0, prefix.length).equals(Buffer.from(prefix)));
  if (!owner) return undefined;
  return { package: owner.subarray(prefix.length).toString(), kind: fresh[1] as ScriptKind };
}
