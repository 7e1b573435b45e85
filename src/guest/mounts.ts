import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, listEntries, treeNodes } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import { dentryPath } from './dentries.js';
import { deviceNumber } from './files.js';
import type { Mount } from './guest.js';
import { pathBelow, rootOf, type Place } from './paths.js';
import { superOptions } from './super-options.js';
import { findTask, threadGroups } from './tasks.js';
import { uuidText } from './uuid.js';

type MountView = StructView<'mount'>;

/** MNT_* of `include/linux/mount.h` that are options, in the order of show_mnt_opts(). */
const mountOptions: readonly (readonly [flag: number, option: string])[] = [
  [0x01, 'nosuid'],
  [0x02, 'nodev'],
  [0x04, 'noexec'],
  [0x08, 'noatime'],
  [0x10, 'nodiratime'],
  [0x20, 'relatime'],
  [0x80, 'nosymfollow'],
];
const MNT_READONLY = 0x40;
const MNT_SHARED = 0x1000;
const MNT_UNBINDABLE = 0x2000;
/** T_SHARED and T_UNBINDABLE of mnt_t_flags. */
const T_SHARED = 1;
const T_UNBINDABLE = 2;

/**
 * The mounts that init sees, in the order of its `/proc/1/mountinfo`: those of its mount namespace that are
 * below its root directory.
 */
export function readMounts(kernel: Kernel): Mount[] {
  return visibleMounts(kernel, initMounts(kernel));
}

/** The same of each process, by pid: in its own mount namespace, below its own root. None of one that has ended. */
export function readProcessMounts(kernel: Kernel): Map<number, readonly Mount[]> {
  const known = new Map<string, readonly Mount[]>();
  const found = new Map<number, readonly Mount[]>();
  for (const task of threadGroups(kernel)) {
    const [proxy, fs] = [task.pointer('nsproxy'), task.pointer('fs')];
    if (proxy === 0n || fs === 0n) continue;
    const namespace = kernel.view('nsproxy', proxy).pointer('mnt_ns');
    const root = rootOf(kernel, task);
    const key = `${namespace}:${root.mount}:${root.dentry}`;
    let mounts = known.get(key);
    if (!mounts) {
      mounts = visibleMounts(kernel, { root, mounts: mountsOf(kernel, namespace) });
      known.set(key, mounts);
    }
    found.set(task.int('pid'), mounts);
  }
  return found;
}

interface NamespaceMounts {
  readonly root: Place;
  readonly mounts: readonly MountView[];
}

function visibleMounts(kernel: Kernel, { root, mounts }: NamespaceMounts): Mount[] {
  return mounts.flatMap((mount) => {
    const vfs = kernel.view('vfsmount', mount.at('mnt'));
    const place = { mount: mount.address, dentry: vfs.pointer('mnt_root') };
    const mountPoint = pathBelow(kernel, place, root);
    return mountPoint === undefined ? [] : [describe(kernel, mount, vfs, mountPoint)];
  });
}

/** Init's root directory, and all mounts of its mount namespace, also those that it cannot reach from there. */
export function initMounts(kernel: Kernel): NamespaceMounts {
  const init = findTask(kernel, 1);
  if (!init) throw inconsistent('there is no process with the pid 1');
  const namespace = kernel.view('nsproxy', init.pointer('nsproxy')).pointer('mnt_ns');
  return { root: rootOf(kernel, init), mounts: mountsOf(kernel, namespace) };
}

function mountsOf(kernel: Kernel, namespace: bigint): MountView[] {
  const mounts: MountView[] = [];
  for (const mount of namespaceMounts(kernel, namespace)) {
    const superBlock = kernel.view('vfsmount', mount.at('mnt')).pointer('mnt_sb');
    // A reader of some /proc/<pid>/mounts keeps its place in the list with a mount that has no file system.
    if (superBlock === 0n) continue;
    if (mount.pointer('mnt_ns') !== namespace)
      throw inconsistent(`the mount at ${hex(mount.address)} is in another mount namespace than its list`);
    mounts.push(mount);
  }
  return mounts;
}

function* namespaceMounts(kernel: Kernel, address: bigint): Generator<MountView> {
  const namespace = kernel.view('mnt_namespace', address);
  if (namespace.has('mounts')) {
    for (const node of treeNodes(kernel, namespace.at('mounts'), 'mounts'))
      yield kernel.container('mount', 'mnt_node', node);
  } else {
    for (const link of listEntries(kernel, namespace.at('list'), 'mounts'))
      yield kernel.container('mount', 'mnt_list', link);
  }
}

function describe(kernel: Kernel, mount: MountView, vfs: StructView<'vfsmount'>, mountPoint: string): Mount {
  const flags = vfs.uint('mnt_flags');
  const superBlock = kernel.view('super_block', vfs.pointer('mnt_sb'));
  const type = kernel.text(kernel.view('file_system_type', superBlock.pointer('s_type')).pointer('name'));
  const subtype = superBlock.pointer('s_subtype');
  const source = mount.pointer('mnt_devname');
  return {
    id: mount.int('mnt_id'),
    parentId: kernel.view('mount', mount.pointer('mnt_parent')).int('mnt_id'),
    device: deviceNumber(superBlock.uint('s_dev')),
    root: dentryPath(kernel, vfs.pointer('mnt_root')),
    mountPoint,
    options: [
      flags & MNT_READONLY ? 'ro' : 'rw',
      ...mountOptions.filter(([flag]) => flags & flag).map(([, option]) => option),
    ].join(','),
    propagation: propagation(kernel, mount, flags),
    type: subtype === 0n ? type : `${type}.${kernel.text(subtype)}`,
    source: source === 0n ? 'none' : kernel.text(source),
    superOptions: superOptions(kernel, superBlock, type),
    uuid: uuidText(superBlock.raw('s_uuid')),
  };
}

function propagation(kernel: Kernel, mount: MountView, flags: number): string {
  const own = mount.has('mnt_t_flags') ? mount.uint('mnt_t_flags') : undefined;
  const shared = own === undefined ? flags & MNT_SHARED : own & T_SHARED;
  const unbindable = own === undefined ? flags & MNT_UNBINDABLE : own & T_UNBINDABLE;
  const master = mount.pointer('mnt_master');
  const fields: string[] = [];
  if (shared) fields.push(`shared:${mount.int('mnt_group_id')}`);
  if (master !== 0n) fields.push(`master:${kernel.view('mount', master).int('mnt_group_id')}`);
  if (unbindable) fields.push('unbindable');
  return fields.join(' ');
}
