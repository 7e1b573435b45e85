import { existsSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
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
  for (const hierarchy of [top, ...directories(top).map((name) => join(top, name))])
    for (const name of directories(hierarchy)) {
      const pid = ours.exec(name)?.[1];
      if (pid === undefined || existsSync(`/proc/${pid}`)) continue;
      try {
        rmdirSync(join(hierarchy, name));
      } catch (error) {
        if (!['EBUSY', 'ENOENT'].includes(errnoOf(error) ?? '')) throw error;
      }
    }
}

function directories(path: string): string[] {
  return readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
}
