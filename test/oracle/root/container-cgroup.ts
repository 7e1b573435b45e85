import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../../../src/base/errors.js';

const top = '/sys/fs/cgroup';
/** With the pid of the program that made it. */
const ours = /^ouassister-oracle-(\d+)-/;

/** Hierarchies in which systemd keeps its units: the unified one, alone or beside one of its own. */
function hierarchies(): string[] {
  if (existsSync(join(top, 'cgroup.procs'))) return [top];
  return ['systemd', 'unified']
    .map((name) => join(top, name))
    .filter((path) => existsSync(join(path, 'cgroup.procs')));
}

/** A control group in which a container's systemd makes its own; disposing of it takes all of them away. */
export class ContainerCgroup implements AsyncDisposable {
  readonly name: string;
  /** Files that a process writes `0` to, to enter it. */
  readonly entrances: readonly string[];
  readonly #folders: readonly string[];

  constructor() {
    removeStale();
    this.name = `ouassister-oracle-${process.pid}-${randomBytes(4).toString('hex')}`;
    this.#folders = hierarchies().map((path) => join(path, this.name));
    for (const folder of this.#folders) mkdirSync(folder);
    this.entrances = this.#folders.map((folder) => join(folder, 'cgroup.procs'));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Processes that were killed a moment ago are members until they are reaped.
    for (let tries = 0; tries < 250 && !this.#folders.map(removeAll).every(Boolean); tries++) await sleep(20);
  }
}

/** Removes what runs that were killed left behind. One that still has a process cannot be removed, and stays. */
function removeStale(): void {
  for (const hierarchy of hierarchies())
    for (const name of readdirSync(hierarchy)) {
      const pid = ours.exec(name)?.[1];
      if (pid !== undefined && !existsSync(`/proc/${pid}`)) removeAll(join(hierarchy, name));
    }
}

/** Whether nothing is left. */
function removeAll(folder: string): boolean {
  try {
    const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    if (!inside.map(({ name }) => removeAll(join(folder, name))).every(Boolean)) return false;
    rmdirSync(folder);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EBUSY') return false;
    if (errnoOf(error) === 'ENOENT') return true;
    throw error;
  }
}
