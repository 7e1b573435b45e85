import { namesInShadow } from '../../shadow/fs/read.js';
import { isGenerated, isPattern, UnitFiles, unitName, type UnitFile, type UnitText } from './unit-files.js';

/**
 * The manager links `invocation:<unit>` here for each unit that is active, and takes the link away when it no longer
 * is: systemd's src/core/unit.c, unit_export_state_files and unit_unlink_state_files.
 */
const exportedState = '/run/systemd/units';
const exported = 'invocation:';

/** systemd.unit(5): who names another unit in one of these is stopped when that one is, */
const stoppedWith = ['Requires', 'Requisite', 'BindsTo', 'PartOf'];
/** and what it names in one of these is started when it is. */
const startedFor = ['Wants', 'Requires', 'BindsTo', 'Upholds'];

/** By a unit's name, which others are stopped, or started, when that is done to it. */
interface UnitLinks {
  readonly stops: ReadonlyMap<string, readonly string[]>;
  readonly starts: ReadonlyMap<string, readonly string[]>;
}

/** What the guest's systemd would say of a unit by now. */
export interface UnitState {
  readonly file: UnitFile;
  readonly active: boolean;
  /** Its own name. */
  readonly name: string;
}

/**
 * The guest's units: what was active at the suspend, from what its systemd has written into `/run`, which is in the
 * guest's memory, and what the recorded actions have made of it since.
 */
export class Units {
  readonly #files: UnitFiles;
  readonly #active: Set<string>;
  readonly #stopped = new Set<string>();
  #links: UnitLinks | undefined;

  /** @param root the guest's `/` on the host, with its `/run` */
  constructor(root: string) {
    this.#files = new UnitFiles(root);
    const names = namesInShadow(root, exportedState).filter((name) => name.startsWith(exported));
    this.#active = new Set(names.map((name) => name.slice(exported.length)));
  }

  state(given: string): UnitState {
    const file = this.#files.find(unitName(given));
    const name = file.state === 'loaded' ? file.name : unitName(given);
    return { file, name, active: this.#active.has(name) };
  }

  /** Names of the active units that a pattern matches. */
  matching(pattern: string): string[] {
    return [...this.#active].filter((name) => matches(unitName(pattern), name)).sort();
  }

  settings(state: UnitState, section: string, key: string): string[] {
    return state.file.state === 'loaded' ? this.#files.settings(state.file, section, key) : [];
  }

  /** A unit's file and drop-ins; none when there is no such unit, undefined when it is masked or not known to the letter. */
  files({ file }: UnitState): readonly UnitText[] | undefined {
    if (file.state === 'masked' || this.#files.isOfScript(file)) return undefined;
    return file.state === 'loaded' ? this.#files.texts(file) : [];
  }

  /** Whether a unit has a file of its own, or is masked. */
  hasFile(given: string): boolean {
    const { file } = this.state(given);
    return file.state === 'masked' || (file.state === 'loaded' && !isGenerated(file.path));
  }

  /** Whether a service has an init script, perhaps besides a unit. */
  hasInitScript(given: string): boolean {
    return this.#files.hasScript(unitName(given));
  }

  /** An action was recorded that has the manager read its units anew, and make those of init scripts. */
  reloaded(): void {
    this.#files.reloaded();
  }

  /** An action that was recorded: from now on these are active, or are not. */
  became(active: boolean, given: readonly string[]): void {
    for (const each of given)
      for (const name of isPattern(each) ? this.matching(each) : [this.state(each).name]) {
        if (active) this.#start(name);
        else this.#stop(name);
      }
  }

  /** Whether recorded actions have stopped a unit that had been active, and have not started it since. */
  wasStopped(name: string): boolean {
    return this.#stopped.has(name);
  }

  #start(name: string): void {
    this.#active.add(name);
    this.#stopped.delete(name);
    // Others may start as well. What had not been active before is not known to.
    if (this.#stopped.size === 0 || !this.#links) return;
    for (const each of reached(name, this.#links.starts))
      if (this.#stopped.delete(each)) this.#active.add(each);
  }

  #stop(name: string): void {
    this.#links ??= this.#readLinks();
    for (const each of reached(name, this.#links.stops))
      if (this.#active.delete(each)) this.#stopped.add(each);
  }

  /** As the manager had read them when the first unit was stopped: of the units that were active then. */
  #readLinks(): UnitLinks {
    const links = { stops: new Map<string, string[]>(), starts: new Map<string, string[]>() };
    for (const name of this.#active) {
      const state = this.state(name);
      for (const other of this.#named(state, stoppedWith))
        links.stops.set(other, [...(links.stops.get(other) ?? []), name]);
      links.starts.set(name, [...this.#named(state, startedFor), ...this.#files.wanted(name)]);
    }
    return links;
  }

  #named(state: UnitState, keys: readonly string[]): string[] {
    const named = keys.flatMap((key) => this.settings(state, 'Unit', key)).join(' ');
    return named.split(/\s+/).filter((word) => word !== '' && !word.includes('%'));
  }
}

/** A unit, and all that links lead to from it. */
function reached(name: string, links: ReadonlyMap<string, readonly string[]>): ReadonlySet<string> {
  const found = new Set([name]);
  // What is added while a set is walked is walked, too.
  for (const each of found) for (const other of links.get(each) ?? []) found.add(other);
  return found;
}

/** fnmatch(3) without brackets, in time that a hostile pattern cannot stretch: only the last `*` is ever tried again. */
function matches(pattern: string, name: string): boolean {
  let [at, star, retry] = [0, -1, 0];
  for (let read = 0; read < name.length;) {
    if (pattern[at] === '*') {
      star = at++;
      retry = read;
    } else if (at < pattern.length && (pattern[at] === '?' || pattern[at] === name[read])) {
      at++;
      read++;
    } else if (star >= 0) {
      at = star + 1;
      read = ++retry;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(at));
}
