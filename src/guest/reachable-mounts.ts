import { directoriesAbove } from '../base/paths.js';
import type { Mount } from './guest.js';

/**
 * Those of init's mounts that a path leads into, one of each mount point. What the others show may be open, but has no
 * name: something was mounted on them, or on a directory above, after they were (path_resolution(7)).
 *
 * The order of mountinfo is no help: it is that in which mounts were made, and a root can be made after what is moved
 * into it.
 */
export function reachableMounts(mounts: readonly Mount[]): Mount[] {
  const ids = new Set(mounts.map(({ id }) => id));
  const root = mounts.find(
    ({ id, parentId, mountPoint }) => mountPoint === '/' && (parentId === id || !ids.has(parentId)),
  );
  const within = pointsByParent(mounts);
  const found = new Set(root ? [root] : []);
  const covered = new Set<Mount>();
  for (const mount of found) {
    const points = within.get(mount.id) ?? new Map<string, Mount>();
    const top = points.get(mount.mountPoint);
    if (top) covered.add(mount);
    for (const child of top ? [top] : points.values())
      if (!directoriesAbove(child.mountPoint).some((directory) => points.has(directory))) found.add(child);
  }
  return mounts.filter((mount) => found.has(mount) && !covered.has(mount));
}

/** Nothing that is mounted on the root itself is among them: a path begins below that. */
function pointsByParent(mounts: readonly Mount[]): Map<number, Map<string, Mount>> {
  const within = new Map<number, Map<string, Mount>>();
  for (const mount of mounts) {
    if (mount.mountPoint === '/') continue;
    const points = within.get(mount.parentId) ?? new Map<string, Mount>();
    within.set(mount.parentId, points.set(mount.mountPoint, mount));
  }
  return within;
}
