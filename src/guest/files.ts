import type { Kernel } from '../kernel/kernel.js';
import type { StructView } from '../kernel/struct-view.js';
import { inodePath } from './dentries.js';
import type { DeviceNumber, FileIdentity, Mount } from './guest.js';

/** MINORBITS of the kernel's own dev_t, `include/linux/kdev_t.h`. */
const minorBits = 20;

export function deviceNumber(dev: number): DeviceNumber {
  return { major: dev >>> minorBits, minor: dev & ((1 << minorBits) - 1) };
}

/** Tells which file an inode is, and its name if the kernel has one cached. */
export function fileIdentity(
  kernel: Kernel,
  inode: StructView<'inode'>,
  mounts: readonly Mount[],
): FileIdentity {
  const device = deviceNumber(kernel.view('super_block', inode.pointer('i_sb')).uint('s_dev'));
  const within = inodePath(kernel, inode);
  const path = within === undefined ? undefined : mountedPath(mounts, device, within);
  return { device, inode: inode.u64('i_ino'), ...(path === undefined ? {} : { path }) };
}

/** Where init sees a path of a file system; undefined in a part of it that is mounted nowhere. */
function mountedPath(mounts: readonly Mount[], device: DeviceNumber, within: string): string | undefined {
  for (const { device: other, root, mountPoint } of mounts) {
    if (other.major !== device.major || other.minor !== device.minor) continue;
    const part = root === '/' ? '' : root;
    if (within !== root && !within.startsWith(`${part}/`)) continue;
    const rest = within.slice(part.length).replace(/^\/$/, '');
    return `${mountPoint === '/' ? '' : mountPoint}${rest}` || '/';
  }
  return undefined;
}
