import * as fs from 'node:fs';
import { join } from 'node:path';
import { openDisk } from '../../../src/disk/open.js';
import type { Mount } from '../../../src/guest/guest.js';
import { ChangeCollector } from '../../../src/shadow/fs/collector.js';
import { openShadowFs, type OpenShadowFsOptions, type ShadowFs } from '../../../src/shadow/fs/open.js';
import { filesOf, guestFile, textFile, treeOf } from './memory-tree.js';
import { leftovers, makePartitionedDisk, run, sha256, temporaryDirectory } from '../../disk/images.js';

let folder: { path: string } & Disposable;
let uuids: string[];
const file = (name: string) => join(folder.path, name);

beforeEach(() => {
  folder = temporaryDirectory();
  for (const directory of ['root/boot', 'root/run', 'root/srv/part', 'boot/sub/part'])
    fs.mkdirSync(file(directory), { recursive: true });
  fs.writeFileSync(file('boot/kernel'), 'of the guest');
  fs.writeFileSync(file('boot/sub/part/data'), 'deep');
  fs.symlinkSync(file('victim'), file('root/evil'));
  fs.mkdirSync(file('victim'));
  fs.copyFileSync('/usr/bin/id', file('root/id'));
  fs.chownSync(file('root/id'), 4321, 0);
  fs.chmodSync(file('root/id'), 0o4755);
  uuids = makePartitionedDisk(file('disk.raw'), [file('root'), file('boot')]);
});
afterEach(() => {
  expect(leftovers(folder.path)).toEqual([]);
  expect(fs.readdirSync(folder.path).filter((name) => name.startsWith('ouassister-'))).toEqual([]);
  folder[Symbol.dispose]();
});

function mount(mountPoint: string, type: string, uuid?: string, more: Partial<Mount> = {}): Mount {
  const device = { major: 0, minor: 0 };
  const options = { options: 'rw', superOptions: 'rw', propagation: '', source: type };
  return { id: 0, parentId: 0, device, root: '/', mountPoint, type, uuid, ...options, ...more };
}
const twoMounts = () => [mount('/', 'ext4', uuids[0]), mount('/boot', 'ext4', uuids[1])];

async function withShadow<T>(
  mounts: readonly Mount[],
  use: (shadow: ShadowFs) => T | Promise<T>,
  options: Partial<OpenShadowFsOptions> = {},
): Promise<T> {
  await using disk = await openDisk(file('disk.raw'), { scratch: folder.path });
  await using shadow = await openShadowFs({
    disk,
    mounts,
    scratch: folder.path,
    limit: 64 << 20,
    ...options,
  });
  return await use(shadow);
}
const findmnt = (path: string) => run('findmnt', '--noheadings', '--output', 'VFS-OPTIONS', path).trim();
const refused = (code: string) => expect.objectContaining({ code }) as Error;

test('every file system is at its place, writable, and the image stays as it is', async () => {
  const before = sha256(file('disk.raw'));
  const changes = await withShadow(
    [...twoMounts(), mount('/run', 'tmpfs', undefined, { superOptions: 'rw,size=1024k,mode=750' })],
    async (shadow) => {
      expect(shadow.rootUuid).toBe(uuids[0]);
      expect(fs.readFileSync(join(shadow.root, 'boot/kernel'), 'utf8')).toBe('of the guest');
      expect(run('findmnt', '--noheadings', '--output', 'FSTYPE', join(shadow.root, 'run')).trim()).toBe(
        'tmpfs',
      );
      expect(fs.statSync(join(shadow.root, 'run')).mode & 0o777).toBe(0o750);
      const collector = new ChangeCollector(shadow);
      await collector.baseline();
      fs.writeFileSync(join(shadow.root, 'boot/kernel'), 'new');
      fs.writeFileSync(join(shadow.root, 'run/pid'), 'in memory');
      fs.writeFileSync(join(shadow.root, 'file'), 'in the root');
      expect(collector.lowerState(Buffer.from('/boot/kernel'))).toMatchObject({ type: 'file', mode: 0o644 });
      expect(collector.lowerState(Buffer.from('/evil/x'))).toEqual({ type: 'absent' });
      return collector.collect(() => Promise.resolve());
    },
  );
  expect(changes.map(({ path, action }) => [path.toString(), action])).toEqual([
    ['/file', 'put'],
    ['/boot/kernel', 'put'],
    ['/run/pid', 'put'],
  ]);
  expect(sha256(file('disk.raw'))).toBe(before);
});

test('what the guest has in memory is there, each file system once, with its restrictions', async () => {
  const device = (minor: number) => ({ device: { major: 0, minor } });
  const run = treeOf({
    lock: guestFile('directory'),
    systemd: guestFile('directory'),
    'systemd/system': guestFile('directory', { mode: 0o700, uid: 5 }),
    'one-file': textFile('bound'),
    swapped: guestFile('symlink', { target: undefined }),
  });
  const lock = treeOf({ held: textFile('') }, guestFile('directory', { mode: 0o1777 }));
  const mounts = [
    ...twoMounts(),
    mount('/run', 'tmpfs', undefined, { ...device(20), options: 'rw,nosuid,noexec' }),
    mount('/run/lock', 'tmpfs', undefined, device(21)),
    mount('/srv/part', 'tmpfs', undefined, { ...device(20), root: '/systemd', options: 'rw,nosuid' }),
    mount('/id', 'tmpfs', undefined, { ...device(20), root: '/one-file' }),
    mount('/srv', 'tmpfs', undefined, { ...device(20), root: '/gone//deleted' }),
    mount('/dev/shm', 'tmpfs', undefined, device(22)),
    mount('/empty', 'ramfs', undefined, { ...device(30), options: 'ro' }),
  ];
  await withShadow(
    mounts,
    (shadow) => {
      const at = (path: string) => join(shadow.root, path);
      expect(fs.statSync(at('run/systemd/system'))).toMatchObject({ mode: 0o40700, uid: 5 });
      expect(fs.readdirSync(at('run/lock'))).toEqual(['held']);
      expect(fs.statSync(at('run/lock')).mode).toBe(0o41777);
      expect(fs.readFileSync(at('id'), 'utf8')).toBe('bound');
      fs.writeFileSync(at('srv/part/new'), 'seen from both sides');
      expect(fs.readFileSync(at('run/systemd/new'), 'utf8')).toBe('seen from both sides');
      expect(fs.readdirSync(at('empty'))).toEqual([]);
      expect(fs.readFileSync(join(shadow.sharedMemory!, 'semaphore'), 'utf8')).toBe('shared');
      expect(fs.existsSync(at('dev/shm'))).toBe(false);
      const options = (path: string) => findmnt(at(path)).split(',');
      expect(options('run')).toEqual(expect.arrayContaining(['nosuid', 'nodev', 'noexec']));
      expect(options('srv/part')).toEqual(expect.arrayContaining(['nosuid', 'nodev']));
      expect(options('srv/part')).not.toContain('noexec');
      expect(shadow.leftOut).toEqual({
        count: 2,
        files: [
          { path: '/run/swapped', reason: 'where it leads is not in memory' },
          { path: '/srv', reason: 'what is mounted there was not found' },
        ],
      });
    },
    { files: filesOf({ 20: run, 21: lock, 22: treeOf({ semaphore: textFile('shared') }) }) },
  );
});

test('a part of a file system can be mounted alone; its paths are those of the mount', async () => {
  await withShadow(
    [mount('/', 'ext4', uuids[0]), mount('/srv/part', 'ext4', uuids[1], { root: '/sub/part' })],
    async (shadow) => {
      const collector = new ChangeCollector(shadow);
      await collector.baseline();
      fs.appendFileSync(join(shadow.root, 'srv/part/data'), 'er');
      const changes = await collector.collect(() => Promise.resolve());
      const paths = changes.map(({ path }) => path.toString());
      // The directory is put, too, for its time, unless that is of the second in which this began.
      expect(paths.filter((path) => path !== '/srv/part')).toEqual(['/srv/part/data']);
      expect(collector.lowerState(Buffer.from('/srv/part/data'))).toMatchObject({ type: 'file' });
    },
  );
});

test('setuid files work in the tree, and only root can reach them', async () => {
  await withShadow(twoMounts(), (shadow) => {
    // Through env: the lookup of setpriv's own program still has root's capabilities.
    const unprivileged = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--', 'env'];
    expect(run('setpriv', join(shadow.root, 'id'), '-u').trim()).toBe('4321');
    expect(() => run('setpriv', ...unprivileged, join(shadow.root, 'id'))).toThrow(/Permission denied/);
    expect(() => run(join(shadow.layers[0]!.lower, 'id'))).toThrow(/EACCES/);
  });
});

test('a read-only mount of the guest is read-only here', async () => {
  await withShadow([twoMounts()[0]!, { ...twoMounts()[1]!, options: 'ro,relatime' }], (shadow) => {
    expect(() => fs.writeFileSync(join(shadow.root, 'boot/kernel'), 'x')).toThrow(/EROFS/);
    fs.writeFileSync(join(shadow.root, 'file'), 'x');
  });
});

test('a mount point that the guest made a symbolic link leads nowhere', async () => {
  const mounts = [mount('/', 'ext4', uuids[0]), mount('/evil', 'ext4', uuids[1])];
  await expect(withShadow(mounts, () => undefined)).rejects.toThrow(refused('GUEST_INCONSISTENT'));
  const memory = [mount('/', 'ext4', uuids[0]), mount('/evil/deep', 'tmpfs')];
  await expect(withShadow(memory, () => undefined)).rejects.toThrow(/ELOOP|evil/);
  expect(fs.readdirSync(file('victim'))).toEqual([]);
});

test('an update that outgrows its limit is told so', async () => {
  await withShadow(
    twoMounts(),
    (shadow) => {
      shadow.checkSpace();
      expect(() => fs.writeFileSync(join(shadow.root, 'big'), Buffer.alloc(32 << 20, 1))).toThrow(/ENOSPC/);
      expect(() => shadow.checkSpace()).toThrow(refused('DISK_FULL'));
    },
    { limit: 16 << 20 },
  );
});

test('a sparse file beyond the limit is not read', async () => {
  await withShadow(twoMounts(), async (shadow) => {
    const collector = new ChangeCollector(shadow);
    fs.writeFileSync(join(shadow.root, 'sparse'), '');
    fs.truncateSync(join(shadow.root, 'sparse'), 2 ** 40);
    await expect(collector.collect(() => Promise.resolve())).rejects.toThrow(refused('DISK_FULL'));
  });
});

test('an abort at any moment leaves nothing', async () => {
  for (const delay of [0, 20, 40, 80, 160]) {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), delay);
    const outcome = withShadow(twoMounts(), () => 'done', { signal: controller.signal });
    await expect(outcome.catch((error: { code: string }) => error.code)).resolves.toMatch(
      /^(done|INTERRUPTED)$/,
    );
    expect(leftovers(folder.path)).toEqual([]);
  }
});
