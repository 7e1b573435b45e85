import { OuaError } from '../../base/errors.js';
import { directoriesAbove } from '../../base/paths.js';
import { describe, type FileSystem } from '../../disk/filesystem.js';
import type { DeviceNumber, Mount } from '../../guest/guest.js';
import { latin1, type Part } from './layer.js';

/** A file system of the guest's disk, at its place in the guest's tree. */
export interface DiskMount extends Required<Part> {
  readonly kind: 'disk';
  readonly fileSystem: FileSystem;
}

/** A file system that the guest keeps in memory. */
export interface MemoryMount extends Required<Part> {
  readonly kind: 'memory';
  readonly device: DeviceNumber;
  /** `size=`, `mode=`, `uid=`, `gid=`, `nr_inodes=` as the guest has them. */
  readonly options: readonly string[];
}

/** What the shadow filesystem is made of: parents before what is mounted in them, `/` first. */
export interface Layout {
  readonly root: DiskMount;
  readonly mounts: readonly (DiskMount | MemoryMount)[];
  /** The guest's `/dev/shm`: the one part of `/dev` that is not the sandbox's own. */
  readonly sharedMemory?: MemoryMount;
}

type Treatment = 'disk' | 'memory' | 'ours';

/**
 * What becomes of the guest's mounts, by type. `ours`: kernel interfaces, which the sandbox has of its own or
 * not at all, and automount points with nothing behind them yet. A type that is not here is refused.
 */
const treatments: Readonly<Record<string, Treatment>> = {
  ext2: 'disk',
  ext3: 'disk',
  ext4: 'disk',
  tmpfs: 'memory',
  ramfs: 'memory',
  autofs: 'ours',
  binfmt_misc: 'ours',
  bpf: 'ours',
  cgroup: 'ours',
  cgroup2: 'ours',
  configfs: 'ours',
  debugfs: 'ours',
  devpts: 'ours',
  devtmpfs: 'ours',
  efivarfs: 'ours',
  fusectl: 'ours',
  hugetlbfs: 'ours',
  mqueue: 'ours',
  nsfs: 'ours',
  proc: 'ours',
  pstore: 'ours',
  rpc_pipefs: 'ours',
  securityfs: 'ours',
  sysfs: 'ours',
  tracefs: 'ours',
};

/** Trees that the sandbox makes by itself, with all that the guest has mounted in them. */
const ownTrees = ['/proc', '/sys', '/dev'];

const sharedMemory = '/dev/shm';

const memoryOptions = /^(size|nr_inodes|mode|uid|gid)=\w+%?$/;
const keptFlags = new Set(['ro', 'nosuid', 'noexec']);

/**
 * Finds for each of the guest's mounts what to mount in the shadow filesystem.
 *
 * @param mounts those of the guest's that its paths lead into, one of each mount point; undefined when there is no
 * memory image: the disk must then hold a single file system
 * @throws OuaError `GUEST_MISMATCH` when `/` is not on this disk, `GUEST_UNSUPPORTED` naming the mount
 */
export function planLayout(fileSystems: readonly FileSystem[], mounts: readonly Mount[] | undefined): Layout {
  if (mounts === undefined) return { root: soleRoot(fileSystems), mounts: [] };
  const covered = coveredIn(mounts.map(({ mountPoint }) => mountPoint));
  const partOf = (mount: Mount) => ({
    at: mount.mountPoint,
    root: mount.root,
    flags: mount.options.split(',').filter((option) => keptFlags.has(option)),
    covered: covered.get(mount.mountPoint)!,
  });
  const placed = [...mounts]
    .sort((a, b) => depth(a.mountPoint) - depth(b.mountPoint))
    .flatMap((mount) => place(mount, partOf(mount), fileSystems));
  const [root, ...rest] = placed;
  if (root?.kind !== 'disk' || root.at !== '/')
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `the guest's / is a ${mounts.find(({ mountPoint }) => mountPoint === '/')?.type ?? 'mount that was not found'}`,
      'only a root file system on a disk is supported',
    );
  const shared = mounts.find(({ mountPoint }) => mountPoint === sharedMemory);
  return {
    root,
    mounts: rest,
    ...(shared && treatments[shared.type] === 'memory'
      ? { sharedMemory: inMemory(shared, partOf(shared)) }
      : {}),
  };
}

/** By mount point: those that lie in it, and in no other between (latin1). What is `ours` covers like any other. */
function coveredIn(points: readonly string[]): ReadonlyMap<string, ReadonlySet<string>> {
  const covered = new Map(points.map((at) => [at, new Set<string>()]));
  for (const at of points.filter((point) => point !== '/')) {
    const around = ['/', ...directoriesAbove(at)].findLast((directory) => covered.has(directory));
    if (around !== undefined) covered.get(around)!.add(latin1(at));
  }
  return covered;
}

function place(
  mount: Mount,
  part: Required<Part>,
  fileSystems: readonly FileSystem[],
): (DiskMount | MemoryMount)[] {
  const { at } = part;
  if (ownTrees.some((tree) => at === tree || at.startsWith(`${tree}/`))) return [];
  const treatment = Object.hasOwn(treatments, mount.type) ? treatments[mount.type] : undefined;
  if (treatment === undefined)
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `the guest has mounted ${at}, a ${mount.type} file system`,
      'unmount it in the guest before it is suspended',
    );
  if (treatment === 'ours') return [];
  if (treatment === 'memory') return [inMemory(mount, part)];
  return [{ kind: 'disk', ...part, fileSystem: byUuid(mount, fileSystems) }];
}

function inMemory(mount: Mount, part: Required<Part>): MemoryMount {
  // ramfs knows only mode=, and no limit: a tmpfs of the same mode stands in for it.
  const options = mount.superOptions.split(',').filter((option) => memoryOptions.test(option));
  return { kind: 'memory', ...part, device: mount.device, options };
}

function byUuid(mount: Mount, fileSystems: readonly FileSystem[]): FileSystem {
  const found = fileSystems.filter((fs) => mount.uuid !== undefined && fs.uuid === mount.uuid.toLowerCase());
  if (found.length === 1) return found[0]!;
  const where = `the guest's ${mount.mountPoint} (UUID ${mount.uuid ?? 'none'})`;
  if (found.length > 1)
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `${where} is on the disk ${found.length} times`,
      'give every file system a UUID of its own',
    );
  const disk = fileSystems.map(describe).join(', ') || 'no file system';
  throw mount.mountPoint === '/'
    ? new OuaError(
        'GUEST_MISMATCH',
        `${where} is not on the disk, which has ${disk}`,
        'the memory image is of another guest, or of a time before the disk was made anew',
      )
    : new OuaError(
        'GUEST_UNSUPPORTED',
        `${where} is not on the disk, which has ${disk}`,
        'unmount it in the guest before it is suspended',
      );
}

function soleRoot(fileSystems: readonly FileSystem[]): DiskMount {
  const [fileSystem, ...more] = fileSystems.filter((fs) => treatments[fs.type] === 'disk');
  if (!fileSystem || more.length > 0)
    throw new OuaError(
      'GUEST_UNSUPPORTED',
      `the disk has ${more.length + Number(Boolean(fileSystem))} file systems that could be the root`,
      'give the memory image, which says what is mounted where',
    );
  return { kind: 'disk', at: '/', fileSystem, root: '/', flags: [], covered: new Set() };
}

function depth(path: string): number {
  return path === '/' ? 0 : path.split('/').length;
}
