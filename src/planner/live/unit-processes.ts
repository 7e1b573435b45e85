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
  readonly #services: ReadonlySet<string>;
  /** Those that are stopped by now. */
  #stopped: ReadonlySet<string> = new Set();
  /** Services whose stop may leave some. */
  readonly #leave = new Set<string>();
  #gone: ReadonlySet<number> = new Set();

  constructor(processes: readonly UnitProcess[], units: Units) {
    this.#all = processes;
    this.#units = units;
    this.#services = new Set(processes.flatMap((each) => serviceOf(each) ?? []));
  }

  /** Pids of those that are not there any more. */
  get gone(): ReadonlySet<number> {
    return this.#gone;
  }

  /** An action was recorded. */
  acted(): void {
    const stopped = new Set([...this.#services].filter((name) => this.#units.wasStopped(name)));
    // Looked at when it is stopped: its file may be removed afterwards.
    for (const name of stopped) if (!this.#stopped.has(name) && !this.#endsAll(name)) this.#leave.add(name);
    this.#stopped = stopped;
    const ended = this.#all.filter((each) => {
      const service = serviceOf(each);
      return service !== undefined && stopped.has(service) && !this.#leave.has(service);
    });
    this.#gone = new Set(ended.map(({ pid }) => pid));
  }

  /** Whether one of those that are there has this real, effective or saved user. */
  hasUser(uid: number): boolean {
    return this.#all.some(({ pid, uids }) => !this.#gone.has(pid) && uids.slice(0, 3).includes(uid));
  }

  #endsAll(service: string): boolean {
    const state = this.#units.state(service);
    const last = (key: string) => this.#units.settings(state, 'Service', key).at(-1);
    return endsAll.includes(last('KillMode') ?? 'control-group') && last('SendSIGKILL') !== 'no';
  }
}

function serviceOf({ cgroup = '' }: UnitProcess): string | undefined {
  return cgroup.split('/').find((name) => name.endsWith('.service'));
}
