import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LayerChangeFinder } from '../../../src/shadow/fs/layer-changes.js';
import { temporaryDirectory } from '../../disk/images.js';
import { contentId } from '../../plan/sample.js';
import { mapShared } from './libc.js';
import { filesOf, textFile, treeOf } from './memory-tree.js';
import { guestMount, onMounts, tell } from './on-guest.js';

interface Bench {
  /** Path in the guest's `/run`, a tmpfs. */
  readonly at: (path: string) => string;
  readonly collect: () => Promise<string[]>;
  /** What is read ahead, after a while. */
  readonly ahead: () => Promise<string[]>;
}

const onRun = (use: (bench: Bench) => Promise<void>) =>
  onMounts(
    {
      trees: [(top) => fs.mkdirSync(join(top, 'run'))],
      mounts: ([uuid]) => [
        guestMount('/', 'ext4', { uuid: uuid! }),
        guestMount('/run', 'tmpfs', { device: { major: 0, minor: 40 } }),
      ],
      files: filesOf({ 40: treeOf({ guest: textFile('guest'), other: textFile('other') }) }),
    },
    (shadow, collector) =>
      use({
        at: (path) => join(shadow.root, 'run', path),
        collect: async () =>
          (await collector.collect(() => Promise.resolve())).map(
            (change) =>
              `${change.path.toString()} ${change.action === 'put' ? change.state.content : change.action}`,
          ),
        ahead: async () => {
          await sleep(60);
          return [...collector.readAhead(25_000_000n)].map(({ path }) => path.toString());
        },
      }),
  );

const has = (path: string, text: string) => `${path} ${contentId(Buffer.from(text))}`;

test('each store through a mapping of a file in memory is seen, though it leaves all times as they are', async () => {
  await onRun(async ({ at, collect }) => {
    fs.writeFileSync(at('new'), 'mapped');
    for (const [name, old] of [
      ['guest', 'guest'],
      ['new', 'mapped'],
    ] as const) {
      using mapping = mapShared(at(name), old.length);
      const store = (text: string) => mapping.write(Buffer.from(text));
      store('one'.padEnd(old.length));
      expect(await collect()).toContainEqual(has(`/run/${name}`, 'one'.padEnd(old.length)));
      // More than a tick later, so that it is not looked at as what has changed just before the last collection.
      await sleep(60);
      expect(await collect()).toEqual([]);
      const { ctimeMs } = fs.statSync(at(name));
      store('two'.padEnd(old.length));
      expect(fs.statSync(at(name)).ctimeMs).toBe(ctimeMs);
      expect(await collect()).toContainEqual(has(`/run/${name}`, 'two'.padEnd(old.length)));
      expect(await collect()).toEqual([]);
    }
  });
});

test('what is in memory is not read ahead', async () => {
  await onRun(async ({ at, ahead, collect }) => {
    fs.writeFileSync(at('new'), 'first');
    using mapping = mapShared(at('new'), 5);
    mapping.write(Buffer.from('early'));
    expect(await ahead()).toEqual([]);
    mapping.write(Buffer.from('later'));
    expect(await collect()).toEqual([has('/run/new', 'later')]);
  });
});

test('a file that is mostly holes is not read again and again', async () => {
  using folder = temporaryDirectory();
  const [lower, merged] = [join(folder.path, 'lower'), join(folder.path, 'merged')];
  for (const top of [lower, merged]) {
    fs.mkdirSync(top);
    fs.writeFileSync(join(top, 'sparse'), 'data');
    fs.truncateSync(join(top, 'sparse'), 2 ** 31);
    fs.writeFileSync(join(top, 'small'), 'data');
    for (const path of ['sparse', 'small', '']) fs.utimesSync(join(top, path), 1e9, 1e9);
  }
  fs.writeFileSync(join(merged, 'small'), 'more');
  // Reading it would be refused: it is larger than this.
  const limit = 1 << 20;
  const layer = { onDisk: false, at: '/', root: '/', lower, upper: merged, merged, limit };
  const later = BigInt(Date.now() + 60_000) * 1_000_000n;
  const { put } = await new LayerChangeFinder(layer, 0n).collect(later, () => Promise.resolve());
  expect(put.map(tell)).toEqual(['put file /small']);
});
