/** Unit files of the guest: systemd.unit(5), UNIT FILE LOAD PATH. */
import { posix } from 'node:path';
import { namesInShadow, readInShadow, resolveInShadow } from '../../shadow/fs/read.js';
import { hasScript, scriptUnits, type ScriptUnit } from './init-scripts.js';

/** Where the manager's generators have put the units of init scripts. */
const late = '/run/systemd/generator.late';

/** Where the system manager looks, what comes first wins. */
const unitDirectories = [
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
  '/run/systemd/transient',
  '/run/systemd/generator.early',
  '/etc/systemd/system',
  '/etc/systemd/system.attached',
  '/run/systemd/system',
  '/run/systemd/system.attached',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  late,
];

const unitTypes = 'service|socket|device|mount|automount|swap|target|path|timer|slice|scope';
const typed = new RegExp(`\\.(${unitTypes})$`);

/** Far above any real unit file. */
const maximumUnit = 1 << 20;

/** Where a unit comes from. */
export type UnitFile =
  | { readonly state: 'missing' }
  | { readonly state: 'masked' }
  /** `name`: the unit's own name, which is another when it was asked for by an alias. */
  | { readonly state: 'loaded'; readonly name: string; readonly path: string };

/** A file that a unit is read from. */
export interface UnitText {
  readonly path: string;
  readonly text: string;
}

type LoadedFile = UnitFile & { readonly state: 'loaded' };

/** A name as systemctl(1) completes it: without a type it is a service's; a path is a mount point's or a device's. */
export function unitName(name: string): string {
  return typed.test(name) ? name : `${name}.service`;
}

/** Whether a name is a pattern, which matches units that are loaded. */
export const isPattern = (name: string): boolean => /[*?]/.test(name);

/** Whether a unit's file was made by one of the manager's generators, systemd.generator(7). */
export const isGenerated = (path: string): boolean => path.startsWith('/run/systemd/generator');

/** `foo@.service` of `foo@bar.service`; undefined when it is no instance. */
function templateOf(name: string): string | undefined {
  const parts = /^([^@]+@)[^@]+(\.[a-z]+)$/.exec(name);
  return parts ? `${parts[1]}${parts[2]}` : undefined;
}

/** Looks units up in a guest's tree as it is at that moment. */
export class UnitFiles {
  readonly #root: string;
  /** The units of init scripts since the manager last had its generators run; undefined: that was before the suspend. */
  #ofScripts: ReadonlyMap<string, ScriptUnit> | undefined;

  /** @param root the guest's `/` on the host */
  constructor(root: string) {
    this.#root = root;
  }

  /** An action was recorded that has the manager run its generators and read its units anew. */
  reloaded(): void {
    const directories = unitDirectories.filter((directory) => directory !== late);
    const names = directories.flatMap((directory) => namesInShadow(this.#root, directory));
    this.#ofScripts = scriptUnits(this.#root, new Set(names));
  }

  /** Whether a service has an init script, perhaps besides a unit. */
  hasScript(name: string): boolean {
    return hasScript(this.#root, name);
  }

  find(name: string): UnitFile {
    const found = this.#find(name);
    const template = templateOf(name);
    return found.state === 'missing' && template !== undefined ? this.#find(template, name) : found;
  }

  /** Values of a setting in a unit and its drop-ins, in order; an empty one has taken back those before it. */
  settings(unit: LoadedFile, section: string, key: string): string[] {
    const values: string[] = [];
    for (const { text } of this.texts(unit))
      for (const value of settingsIn(text, section, key)) {
        if (value === '') values.length = 0;
        else values.push(value);
      }
    return values;
  }

  /** A unit's own file, then its drop-ins. */
  texts({ path, name }: LoadedFile): UnitText[] {
    return [path, ...this.#dropIns(name)].map((each) => ({ path: each, text: this.#read(each) }));
  }

  /** Whether a unit's file is one that the manager has made of an init script since the suspend. */
  isOfScript(unit: UnitFile): boolean {
    return unit.state === 'loaded' && this.#textOfScript(unit.path) !== undefined;
  }

  /** Units that links in directories of a unit's want or require. */
  wanted(name: string): string[] {
    const template = templateOf(name);
    const names = template === undefined ? [name] : [template, name];
    return unitDirectories.flatMap((directory) =>
      names.flatMap((each) =>
        ['wants', 'requires'].flatMap((kind) => namesInShadow(this.#root, `${directory}/${each}.${kind}`)),
      ),
    );
  }

  #find(name: string, instance = name): UnitFile {
    const found = this.#fileOf(name, instance);
    if (found) return found;
    const unit = this.#ofScripts?.get(name);
    return unit ? { state: 'loaded', path: `${late}/${unit.name}`, name: unit.name } : { state: 'missing' };
  }

  #fileOf(name: string, instance = name): UnitFile | undefined {
    for (const directory of unitDirectories) {
      if (directory === late && this.#ofScripts) continue;
      if (!namesInShadow(this.#root, directory).includes(name)) continue;
      const path = resolveInShadow(this.#root, `${directory}/${name}`)?.toString('latin1');
      // A link to /dev/null, which a tree without its devices lacks, and an empty file mask a unit.
      if (path === undefined || path === '/dev/null' || this.#read(path) === '') return { state: 'masked' };
      const own = posix.basename(path);
      return { state: 'loaded', path, name: own === name || !typed.test(own) ? instance : own };
    }
    return undefined;
  }

  #textOfScript(path: string): string | undefined {
    return posix.dirname(path) === late ? this.#ofScripts?.get(posix.basename(path))?.text : undefined;
  }

  #dropIns(name: string): string[] {
    const template = templateOf(name);
    const names = template === undefined ? [name] : [template, name];
    const found = new Map<string, string>();
    // What comes first in the load path hides drop-ins of the same name.
    for (const directory of [...unitDirectories].reverse())
      for (const each of names)
        for (const file of namesInShadow(this.#root, `${directory}/${each}.d`))
          if (file.endsWith('.conf')) found.set(file, `${directory}/${each}.d/${file}`);
    return [...found.keys()].sort().map((file) => found.get(file)!);
  }

  #read(path: string): string {
    return this.#textOfScript(path) ?? readInShadow(this.#root, path, maximumUnit)?.toString('latin1') ?? '';
  }
}

/** systemd.syntax(7): sections, `key=value`, a backslash at a line's end continues it, `#` and `;` begin comments. */
function* settingsIn(text: string, section: string, key: string): Generator<string> {
  let current = '';
  for (const line of text
    .replaceAll(/\\\n/g, ' ')
    .split('\n')
    .map((each) => each.trim())) {
    if (line.startsWith('#') || line.startsWith(';')) continue;
    const header = /^\[(.*)\]$/.exec(line);
    if (header) current = header[1]!;
    const setting = /^([^=]+?)\s*=\s*(.*)$/.exec(line);
    if (setting?.[1] === key && current === section) yield setting[2]!;
  }
}
