import { namesInShadow } from '../../shadow/fs/read.js';
import { isPattern, UnitFiles, unitName, type UnitFile, type UnitText } from './unit-files.js';

/**
 * The manager links `invocation:<unit>` here for each unit that is active, and takes the link away when it no longer
 * is: systemd's src/core/unit.c, unit_export_state_files and unit_unlink_state_files.
 */
const exportedState = '/run/systemd/units';
const exported = 'invocation:';

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

  /** A unit's file and drop-ins; none when there is no such unit, undefined when it is masked. */
  files({ file }: UnitState): readonly UnitText[] | undefined {
    if (file.state === 'masked') return undefined;
    return file.state === 'loaded' ? this.#files.texts(file) : [];
  }

  /** An action that was recorded: from now on these are active, or are not. */
  became(active: boolean, given: readonly string[]): void {
    for (const each of given)
      for (const name of isPattern(each) ? this.matching(each) : [this.state(each).name]) {
        if (active) this.#active.add(name);
        else this.#active.delete(name);
      }
  }
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
