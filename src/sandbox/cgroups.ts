import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf } from '../base/errors.js';

const top = '/sys/fs/cgroup';
/** As `createSandbox` names them: with the pid of the program that made them. */
const ours = /^ouassister-(\d+)-/;

/** Controllers that cgroups of this host have, of either version. */
export function cgroupControllers(): Set<string> {
  const own = readFileSync('/proc/self/cgroup', 'latin1').trim().split('\n');
  const legacy = own.flatMap((line) => line.split(':')[1]!.split(',')).filter(Boolean);
  return new Set(legacy.length > 0 ? legacy : unifiedControllers());
}

function unifiedControllers(): string[] {
  return readFileSync(join(top, 'cgroup.controllers'), 'latin1').trim().split(' ');
}

/**
 * Removes the cgroups that runs of ours which were killed left behind. One that still has a process cannot be
 * removed, and stays.
 */
export function removeStaleCgroups(): void {
  remove((name) => {
    const pid = ours.exec(name)?.[1];
    return pid !== undefined && !existsSync(`/proc/${pid}`);
  });
}

/**
 * Removes the cgroups of one sandbox, if there are any: a launcher that is killed half-way has made them, and not yet
 * written down that they are its to delete. Its processes get a second to die.
 */
export async function removeCgroups(id: string): Promise<void> {
  for (let tries = 0; tries < 50 && remove((name) => name === id) > 0; tries++) await sleep(20);
}

/** How many had to stay. */
function remove(wanted: (name: string) => boolean): number {
  let busy = 0;
  for (const hierarchy of [top, ...directories(top).map((name) => join(top, name))])
    for (const name of directories(hierarchy).filter(wanted))
      try {
        rmdirSync(join(hierarchy, name));
      } catch (error) {
        if (errnoOf(error) === 'EBUSY') busy++;
        else if (errnoOf(error) !== 'ENOENT') throw error;
      }
  return busy;
}

function directories(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
