/** Init scripts without a unit of their own: what systemd-sysv-generator(8) makes of them (src/sysv-generator/sysv-generator.c). */
import { closeSync, constants, fstatSync } from 'node:fs';
import { namesInShadow, openInShadow, readBytes } from '../../shadow/fs/read.js';

const directory = '/etc/init.d';

/** Far above any real script. */
const maximumScript = 1 << 20;

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
 */
export function scriptUnits(root: string, taken: ReadonlySet<string>): Map<string, ScriptUnit> {
  const units = new Map<string, ScriptUnit>();
  const aliases: (readonly [alias: string, unit: ScriptUnit])[] = [];
  for (const script of namesInShadow(root, directory).sort()) {
    const name = serviceOf(script);
    if (name === undefined || units.has(name) || taken.has(name)) continue;
    const content = readExecutable(root, `${directory}/${script}`);
    if (content === undefined) continue;
    const unit = { name, text: textOf(script, content) };
    units.set(name, unit);
    aliases.push(...provided(content).map((alias) => [alias, unit] as const));
  }
  for (const [alias, unit] of aliases) if (!units.has(alias)) units.set(alias, unit);
  return units;
}

/** Undefined: no name of a unit, unless something in it is escaped. */
function serviceOf(script: string): string | undefined {
  return /^[\w:.@-]+$/.test(script) ? `${script.replace(/\.sh$/, '')}.service` : undefined;
}

function readExecutable(root: string, path: string): string | undefined {
  const descriptor = openInShadow(root, path);
  if (descriptor === undefined) return undefined;
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || !(status.mode & constants.S_IXUSR)) return undefined;
    return readBytes(descriptor, Buffer.alloc(Math.min(status.size, maximumScript))).toString('latin1');
  } finally {
    closeSync(descriptor);
  }
}

/** Its dependencies are left out: they order what starts at the boot. */
function textOf(script: string, content: string): string {
  const path = `${directory}/${script}`;
  return [
    '[Unit]',
    `SourcePath=${path}`,
    '[Service]',
    'Type=forking',
    'KillMode=process',
    `ExecStart=${path} start`,
    `ExecStop=${path} stop`,
    ...(canReload(content) ? [`ExecReload=${path} reload`] : []),
    '',
  ].join('\n');
}

/** A line that tells the usage, and those that a backslash makes of it, name `reload` among the verbs. */
function canReload(content: string): boolean {
  let continued = false;
  for (const line of content.split('\n').map((each) => each.trim())) {
    if (line.startsWith('#') || !(continued || /usage/i.test(line))) continue;
    if (reload.test(line)) return true;
    continued = line.endsWith('\\');
  }
  return false;
}

/** Other names of the service, from the script's LSB header. */
function provided(content: string): string[] {
  const header = /^### BEGIN INIT INFO\s*$([^]*?)^### END INIT INFO\s*$/m.exec(content)?.[1] ?? '';
  return [...header.matchAll(/^#\s*Provides:(.*)$/gim)].flatMap(([, names = '']) =>
    names
      .trim()
      .split(/\s+/)
      .filter((name) => !name.startsWith('$') && !facilities.has(name))
      .flatMap((name) => (name === '' ? [] : (serviceOf(name) ?? []))),
  );
}
