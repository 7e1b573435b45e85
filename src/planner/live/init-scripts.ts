/** Init scripts without a unit of their own: what systemd-sysv-generator(8) makes of them (src/sysv-generator/sysv-generator.c). */
import { constants, fstatSync } from 'node:fs';
import { OuaError } from '../../base/errors.js';
import { namesInShadow, readBytes, useInShadow } from '../../shadow/fs/read.js';

const directory = '/etc/init.d';

/** Far above any real script, and any real number of them. */
const maximumScript = 256 << 10;
const mostScripts = 1_000;

/** What `Provides:` may name besides services: LSB's facilities, which are targets or nothing. */
const facilities = new Set(['local_fs', 'network', 'named', 'portmap', 'remote_fs', 'syslog', 'time', 'all']);

const reload = /\{reload[|}"]|\|reload[|}"]/i;

/** A unit that a script stands for. */
export interface ScriptUnit {
  readonly name: string;
  /** What of its file tells how it acts. */
  readonly text: string;
}

/** Whether a service has a script, executable or not. */
export function hasScript(root: string, service: string): boolean {
  return namesInShadow(root, directory).includes(service.replace(/\.service$/, ''));
}

/**
 * The units of the executable scripts, by their names and by those that they provide.
 *
 * @param taken names of units that have a file, or are masked: their scripts get none
 * @throws OuaError `GUEST_UNSUPPORTED` when there are more than any system has
 */
export function scriptUnits(root: string, taken: ReadonlySet<string>): Map<string, ScriptUnit> {
  const units = new Map<string, ScriptUnit>();
  const aliases: (readonly [alias: string, unit: ScriptUnit])[] = [];
  const scripts = namesInShadow(root, directory);
  if (scripts.length > mostScripts)
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `the guest's ${directory} has more than ${mostScripts} files`,
      'repair it in the guest',
    );
  for (const script of scripts.sort()) {
    const name = serviceOf(script);
    if (name === undefined || units.has(name) || taken.has(name)) continue;
    const lines = readExecutable(root, `${directory}/${script}`);
    if (!lines) continue;
    const unit = { name, text: textOf(script, lines) };
    units.set(name, unit);
    for (const alias of provided(lines)) aliases.push([alias, unit]);
  }
  for (const [alias, unit] of aliases) if (!units.has(alias)) units.set(alias, unit);
  return units;
}

/** Undefined: no name of a unit, unless something in it is escaped. */
function serviceOf(script: string): string | undefined {
  return /^[\w:.@-]+$/.test(script) ? `${script.replace(/\.sh$/, '')}.service` : undefined;
}

/** Its lines, without spaces around them. */
function readExecutable(root: string, path: string): string[] | undefined {
  return useInShadow(root, path, (descriptor) => {
    const status = fstatSync(descriptor);
    if (!status.isFile() || !(status.mode & constants.S_IXUSR)) return undefined;
    const bytes = readBytes(descriptor, Buffer.alloc(Math.min(status.size, maximumScript)));
    return bytes
      .toString('latin1')
      .split('\n')
      .map((line) => line.trim());
  });
}

/** Its dependencies are left out: they order what starts at the boot. */
function textOf(script: string, lines: readonly string[]): string {
  const path = `${directory}/${script}`;
  return [
    '[Unit]',
    `SourcePath=${path}`,
    '[Service]',
    'Type=forking',
    'KillMode=process',
    `ExecStart=${path} start`,
    `ExecStop=${path} stop`,
    ...(canReload(lines) ? [`ExecReload=${path} reload`] : []),
    '',
  ].join('\n');
}

/** A line that tells the usage, and those that a backslash makes of it, name `reload` among the verbs. */
function canReload(lines: readonly string[]): boolean {
  let continued = false;
  for (const line of lines) {
    if (line.startsWith('#') || !(continued || /usage/i.test(line))) continue;
    if (reload.test(line)) return true;
    continued = line.endsWith('\\');
  }
  return false;
}

/** Other names of the service, from the script's LSB header. */
function provided(lines: readonly string[]): string[] {
  const begin = lines.indexOf('### BEGIN INIT INFO');
  const end = lines.indexOf('### END INIT INFO', begin);
  if (begin < 0) return [];
  return lines
    .slice(begin, end < 0 ? undefined : end)
    .flatMap((line) => /^#\s*Provides:(.*)$/i.exec(line)?.[1]?.split(/\s+/) ?? [])
    .filter((name) => name !== '' && !name.startsWith('$') && !facilities.has(name))
    .flatMap((name) => serviceOf(name) ?? []);
}
