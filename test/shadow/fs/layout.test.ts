import type { FileSystem } from '../../../src/disk/filesystem.js';
import type { Mount } from '../../../src/guest/guest.js';
import { planLayout } from '../../../src/shadow/fs/layout.js';

const rootUuid = '11111111-2222-3333-4444-555555555555';
const homeUuid = 'aaaaaaaa-2222-3333-4444-555555555555';

const fileSystem = (uuid: string, partition: number, type = 'ext4'): FileSystem => ({
  uuid,
  type,
  partition,
  mount: () => Promise.reject(new Error('a layout mounts nothing')),
});
const disk = [fileSystem(rootUuid, 1), fileSystem(homeUuid, 2)];

let ids = 0;
function mount(mountPoint: string, type: string, more: Partial<Mount> = {}): Mount {
  return {
    id: ++ids,
    parentId: 1,
    device: { major: 0, minor: ids },
    root: '/',
    mountPoint,
    options: 'rw,relatime',
    type,
    source: type,
    superOptions: 'rw',
    uuid: undefined,
    propagation: '',
    ...more,
  };
}
const root = mount('/', 'ext4', { uuid: rootUuid });
const refused = (code: string, message: RegExp) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) as string }) as Error;

test('parents come before what is mounted in them, whatever their order in the guest', () => {
  const {
    root: top,
    mounts,
    sharedMemory,
  } = planLayout(disk, [
    mount('/run/lock', 'tmpfs'),
    mount('/proc', 'proc'),
    mount('/run', 'tmpfs', { superOptions: 'rw,size=48132k,mode=755,inode64' }),
    mount('/home', 'ext4', { uuid: homeUuid.toUpperCase(), options: 'rw,nosuid,nodev,relatime' }),
    root,
    mount('/dev/shm', 'tmpfs'),
    mount('/sys/fs/cgroup', 'cgroup2'),
  ]);
  expect(top).toMatchObject({ at: '/', fileSystem: disk[0] });
  expect(mounts).toMatchObject([
    { kind: 'memory', at: '/run', root: '/', options: ['size=48132k', 'mode=755'], flags: [] },
    { kind: 'disk', at: '/home', fileSystem: disk[1], flags: ['nosuid'] },
    { kind: 'memory', at: '/run/lock', options: [] },
  ]);
  expect(sharedMemory).toMatchObject({ kind: 'memory', at: '/dev/shm', flags: [] });
});

test('a mount covers what the nearest one around it shows, also one that the shadow does not have', () => {
  const { root: top, mounts } = planLayout(disk, [
    root,
    mount('/home', 'ext4', { uuid: homeUuid }),
    mount('/home/a/b/c', 'tmpfs'),
    mount('/home/a', 'tmpfs'),
    mount('/homes/\u00e9', 'autofs'),
  ]);
  expect([top, ...mounts].map(({ at, covered }) => [at, ...covered])).toEqual([
    ['/', '/home', '/homes/\u00c3\u00a9'],
    ['/home', '/home/a'],
    ['/home/a', '/home/a/b/c'],
    ['/home/a/b/c'],
  ]);
});

test('memory of another guest is told by its root', () => {
  expect(() => planLayout([disk[1]!], [root])).toThrow(refused('GUEST_MISMATCH', new RegExp(rootUuid)));
  expect(() => planLayout(disk, [mount('/', 'ext4')])).toThrow(refused('GUEST_MISMATCH', /UUID none/));
});

test.each([
  ['a network file system', mount('/srv', 'nfs4'), /\/srv, a nfs4/],
  ['a name of an object’s own', mount('/srv', 'constructor'), /\/srv, a constructor/],
  ['a file system of another disk', mount('/srv', 'ext4', { uuid: homeUuid.replace('a', 'b') }), /\/srv/],
  ['a root in memory', mount('/', 'tmpfs'), /root|\//],
])('%s is refused by name', (_, bad, message) => {
  const mounts = bad.mountPoint === '/' ? [bad] : [root, bad];
  expect(() => planLayout(disk, mounts)).toThrow(refused('GUEST_UNSUPPORTED', message));
});

test('two file systems with one UUID are refused: which one the guest means is unknown', () => {
  const twice = [disk[0]!, fileSystem(rootUuid, 3)];
  expect(() => planLayout(twice, [root])).toThrow(refused('GUEST_UNSUPPORTED', /2 times/));
});

test('without memory the disk must hold a single file system', () => {
  expect(planLayout([disk[0]!, fileSystem(homeUuid, 2, 'swap')], undefined).root.fileSystem).toBe(disk[0]);
  expect(() => planLayout(disk, undefined)).toThrow(refused('GUEST_UNSUPPORTED', /2 file systems/));
  expect(() => planLayout([], undefined)).toThrow(refused('GUEST_UNSUPPORTED', /0 file systems/));
});
