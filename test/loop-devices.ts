import { execFileSync } from 'node:child_process';

/** How often, and after how many milliseconds again, a loop device is looked at before it counts as left behind. */
const looks = 100;
const lookIntervalMs = 50;

/**
 * The files behind the loop devices of this host, those of a folder. A program that another suite starts in a mount
 * namespace of its own has for a moment copies of all mounts, ours too (mount_namespaces(7)): what we unmount then keeps its
 * device until that program has let go of what it inherited. So one that is there is looked at again.
 */
export function loopDevicesOf(folder: string): string[] {
  const nobody = new Int32Array(new SharedArrayBuffer(4));
  for (let look = 1; ; look++) {
    const found = execFileSync('losetup', ['--list', '--noheadings', '--output', 'BACK-FILE'], {
      encoding: 'utf8',
    })
      .split('\n')
      .filter((file) => file.includes(folder));
    if (found.length === 0 || look === looks) return found;
    Atomics.wait(nobody, 0, 0, lookIntervalMs);
  }
}
