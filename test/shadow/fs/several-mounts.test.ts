import * as fs from 'node:fs';
import { join } from 'node:path';
import type { Mount } from '../../../src/guest/guest.js';
import type { ChangeCollector } from '../../../src/shadow/fs/collector.js';
import { textFile, filesOf, treeOf } from './memory-tree.js';
import { guestMount, onMounts, tell } from './on-guest.js';

const refused = (message: RegExp) =>
  expect.objectContaining({
    code: 'GUEST_UNSUPPORTED',
    message: expect.stringMatching(message) as string,
    hint: expect.any(String) as string,
  }) as Error;

interface Bench {
  /** Path in the guest's tree. */
  readonly at: (path: string) => string;
  readonly collect: () => Promise<string[]>;
  readonly collector: ChangeCollector;
  /** Names of the files whose contents a collection has given. */
  readonly contents: string[];
}

/** A guest with a data disk, of which `bind` tells where else parts are mounted. */
const onDataDisk = (
  bind: readonly (readonly [at: string, root: string, more?: Partial<Mount>])[],
  use: (bench: Bench) => Promise<void>,
) =>
  onMounts(
    {
      trees: [
        (top) => {
          for (const path of ['home', 'var', 'srv', 'mnt/data'])
            fs.mkdirSync(join(top, path), { recursive: true });
          fs.writeFileSync(join(top, 'srv/twin'), 'root');
          fs.linkSync(join(top, 'srv/twin'), join(top, 'home/twin'));
          fs.linkSync(join(top, 'srv/twin'), join(top, 'var/twin'));
        },
        (top) => {
          for (const path of ['home/user', 'var/lib/dpkg', 'var/tmp'])
            fs.mkdirSync(join(top, path), { recursive: true });
          fs.writeFileSync(join(top, 'var/lib/dpkg/status'), 'old');
          fs.writeFileSync(join(top, 'home/user/a'), 'a');
          fs.writeFileSync(join(top, 'var/one'), 'one');
          fs.linkSync(join(top, 'var/one'), join(top, 'home/one'));
        },
      ],
      mounts: ([root, data]) => [
        guestMount('/', 'ext4', { uuid: root! }),
        ...bind.map(([at, part, more]) => guestMount(at, 'ext4', { uuid: data!, root: part, ...more })),
        guestMount('/var/tmp', 'tmpfs', { device: { major: 0, minor: 40 } }),
      ],
      files: filesOf({ 40: treeOf({ old: textFile('in memory') }) }),
    },
    async (shadow, collector) => {
      const contents: string[] = [];
      await use({
        at: (path) => join(shadow.root, path),
        collector,
        contents,
        collect: async () => {
          const changes = await collector.collect(({ path }) => {
            contents.push(path.toString());
            return Promise.resolve();
          });
          return changes.map(tell).filter((line) => !line.startsWith('put directory'));
        },
      });
    },
  );

const everywhere = [
  ['/mnt/data', '/'],
  ['/home', '/home'],
  ['/var', '/var'],
] as const;

test('changes below each mount of one file system are found, each file by one name', async () => {
  await onDataDisk(everywhere, async ({ at, collect, collector, contents }) => {
    fs.writeFileSync(at('var/lib/dpkg/status'), 'new');
    fs.writeFileSync(at('home/user/b'), 'b');
    fs.writeFileSync(at('mnt/data/top'), '');
    fs.writeFileSync(at('mnt/data/var/lib/c'), '');
    fs.writeFileSync(at('etc'), '');
    fs.writeFileSync(at('var/tmp/passing'), '');
    expect((await collect()).sort()).toEqual([
      'put file /etc',
      'put file /mnt/data/home/user/b',
      'put file /mnt/data/top',
      'put file /var/lib/c',
      'put file /var/lib/dpkg/status',
      'put file /var/tmp/passing',
    ]);
    expect(contents).toContain('/var/lib/dpkg/status');
    for (const path of ['/var/lib/dpkg/status', '/mnt/data/var/lib/dpkg/status']) {
      expect(collector.lowerState(Buffer.from(path))).toMatchObject({ type: 'file' });
      const before = collector.lowerContent(Buffer.from(path))!;
      expect(Buffer.concat([...before.read()]).toString()).toBe('old');
    }
    expect(collector.lowerState(Buffer.from('/var/tmp/old'))).toMatchObject({ type: 'file' });
    expect(collector.lowerState(Buffer.from('/var/twin'))).toEqual({ type: 'absent' });
    fs.rmSync(at('var/lib/dpkg/status'));
    fs.rmSync(at('home/user/b'));
    expect(await collect()).toEqual(['remove /var/lib/dpkg/status', 'remove /mnt/data/home/user/b']);
  });
});

test('parts of a file system that is nowhere whole', async () => {
  await onDataDisk(everywhere.slice(1), async ({ at, collect }) => {
    fs.writeFileSync(at('home/user/a'), 'b');
    fs.writeFileSync(at('var/lib/dpkg/status'), 'new');
    expect((await collect()).sort()).toEqual(['put file /home/user/a', 'put file /var/lib/dpkg/status']);
  });
});

test('a mount that only can be read is not where a change is put', async () => {
  const readOnly = [['/mnt/data', '/', { options: 'ro' }], ...everywhere.slice(1)] as const;
  await onDataDisk(readOnly, async ({ at, collect }) => {
    fs.writeFileSync(at('home/user/a'), 'b');
    expect(await collect()).toEqual(['put file /home/user/a']);
  });
});

test('a file with one name that the guest does not see can be replaced, but not written to', async () => {
  await onDataDisk(everywhere, async ({ at, collect, contents }) => {
    // Its twins are below /home and /var, where other mounts are.
    fs.writeFileSync(at('srv/new'), 'new');
    fs.renameSync(at('srv/new'), at('srv/twin'));
    expect(await collect()).toEqual(['put file /srv/twin']);
    expect(contents).toEqual(['/srv/twin']);
  });
  await onDataDisk(everywhere, async ({ at, collect, collector }) => {
    fs.chmodSync(at('srv/twin'), 0o600);
    fs.chmodSync(at('srv/twin'), 0o644);
    expect(await collect()).toEqual([]);
    fs.writeFileSync(at('srv/twin'), 'written');
    await expect(collect()).rejects.toThrow(refused(/"home\/twin" of the file system that is mounted at \//));
    // What setting up leaves behind is of no interest.
    await collector.baseline();
    expect(await collect()).toEqual([]);
  });
});

test('a link between two mounts of one file system is refused: the guest could not make it', async () => {
  await onDataDisk(everywhere.slice(1), async ({ at, collect }) => {
    fs.writeFileSync(at('home/one'), 'two');
    await expect(collect()).rejects.toThrow(refused(/\/home\/one|\/var\/one/));
  });
});

test('what is below a mount that the shadow does not have is refused', async () => {
  await onMounts(
    {
      trees: [(top) => fs.mkdirSync(join(top, 'boot/efi'), { recursive: true })],
      mounts: ([uuid]) => [guestMount('/', 'ext4', { uuid: uuid! }), guestMount('/boot/efi', 'autofs')],
    },
    async (shadow, collector) => {
      const collect = () => collector.collect(() => Promise.resolve());
      fs.writeFileSync(join(shadow.root, 'boot/kernel'), '');
      expect((await collect()).map(tell)).toContain('put file /boot/kernel');
      fs.writeFileSync(join(shadow.root, 'boot/efi/loader'), '');
      await expect(collect()).rejects.toThrow(refused(/"boot\/efi\/loader"/));
    },
  );
});
