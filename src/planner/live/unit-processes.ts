import type { Process } from '../../guest/guest.js';
import type { Units } from './units.js';

/** What is known of a process of the guest. */
export type UnitProcess = Pick<Process, 'pid' | 'uids' | 'cgroup'>;

/** systemd.kill(5): with these a stop ends every process of a unit. */
const endsAll = ['control-group', 'mixed'];

/**
 * The guest's processes at the suspend, and which of them are gone after the recorded actions. The manager keeps a unit's
 * processes in a control group of the unit's name. When a unit is started again, those that it had stand for its new ones.
 */
export class UnitProcesses {
  readonly #all: readonly UnitProcess[];
  readonly #units: Units;
  /** Services whose stop may leave some. */
  readonly #leave = new Set<string>();
  #gone: ReadonlySet<number> = new Set();

  constructor(processes: readonly UnitProcess[], units: Units) {
    this.#all = processes;
    this.#units = units;
  }

  /** Pids of those that are not there any more. */
  get gone(): ReadonlySet<number> {
    return this.#gone;
  }

  /** An action was recorded. */
  acted(): void {
    const services = new Set(this.#all.flatMap((each) => serviceOf(each) ?? []));
    const stopped = new Set(
      [...services].filter((name) => this.#units.wasStopped(name) && this.#endsAll(name)),
    );
    this.#gone = new Set(
      this.#all.filter((each) => stopped.has(serviceOf(each) ?? '')).map(({ pid }) => pid),
    );
  }

  /** Whether one of those that are there has this real, effective or saved user. */
  hasUser(uid: number): boolean {
    return this.#all.some(({ pid, uids }) => !this.#gone.has(pid) && uids.slice(0, 3).includes(uid));
  }

  /** Looked at when it is stopped, as its file may be removed afterwards. */
  #endsAll(service: string): boolean {
    const state = this.#units.state(service);
    const last = (key: string) => this.#units.settings(state, 'Service', key).at(-1);
    const ends = endsAll.includes(last('KillMode') ?? 'control-group') && last('SendSIGKILL') !== 'no';
    if (!ends) this.#leave.add(service);
    return !this.#leave.has(service);
  }
}

function serviceOf({ cgroup = '' }: UnitProcess): string | undefined {
  return cgroup.split('/').find((name) => name.endsWith('.service'));
}
