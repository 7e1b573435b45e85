import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { join } from 'node:path';
import type { FileChange } from '../../../src/plan/model.js';
import type { ChangeCollector, Content } from '../../../src/shadow/fs/collector.js';
import { setXattr } from './libc.js';
import { onGuest, tell } from './on-guest.js';

interface Bench {
  /** Path in the guest's tree. */
  readonly at: (path: string) => string;
  /** Collects, and tells each change in a line. */
  readonly collect: () => Promise<string[]>;
  readonly changes: () => readonly FileChange[];
  readonly contents: Map<string, string>;
  readonly collector: ChangeCollector;
}

const onBench = (makeTree: (top: string) => void, use: (bench: Bench) => Promise<void>) =>
  onGuest(makeTree, async (shadow, collector) => {
    const contents = new Map<string, string>();
    let changes: FileChange[] = [];
    const collect = async () => {
      changes = await collector.collect((content: Content) => {
        contents.set(
          content.id,
          Buffer.concat([...content.read()].map((piece) => Buffer.from(piece))).toString(),
        );
        return Promise.resolve();
      });
      return changes.map(tell);
    };
    await use({
      at: (path) => join(shadow.root, path),
      collect,
      changes: () => changes,
      contents,
      collector,
    });
  });

test('each collection has what changed since the one before', async () => {
  await onBench(
    (top) => fs.writeFileSync(join(top, 'conf'), 'old'),
    async ({ at, collect, changes, contents, collector }) => {
      expect(await collect()).toEqual([]);
      fs.writeFileSync(at('conf'), 'new');
      expect(await collect()).toEqual(['put file /conf']);
      const [change] = changes();
      expect(change).toMatchObject({ state: { size: 3, mtime: 'now', mode: 0o644 } });
      expect([...contents.values()]).toEqual(['new']);
      expect(await collect()).toEqual([]);
      // Same size, and within the clock's tick.
      fs.writeFileSync(at('conf'), 'cat');
      expect(await collect()).toEqual(['put file /conf']);
      fs.rmSync(at('conf'));
      expect(await collect()).toEqual(['remove /conf']);
      const before = collector.lowerContent(Buffer.from('/conf'))!;
      expect([before.size, Buffer.concat([...before.read()]).toString()]).toEqual([3, 'old']);
      expect(before.id).toBe(createHash('sha256').update('old').digest('hex'));
      for (const path of ['/', '/none', '/lost+found'])
        expect(collector.lowerContent(Buffer.from(path))).toBeUndefined();
    },
  );
});

test('what comes and goes between two collections does not appear, nor does a copy-up that changed nothing', async () => {
  await onBench(
    (top) => fs.writeFileSync(join(top, 'kept'), 'x'),
    async ({ at, collect }) => {
      fs.writeFileSync(at('passing'), '');
      fs.rmSync(at('passing'));
      fs.closeSync(fs.openSync(at('kept'), 'r+'));
      fs.chmodSync(at('kept'), 0o600);
      fs.chmodSync(at('kept'), 0o644);
      expect(await collect()).toEqual([]);
    },
  );
});

test('room is made first, directories come before their contents, and removals last, contents first', async () => {
  await onBench(
    (top) => {
      fs.mkdirSync(join(top, 'becomes-file/in'), { recursive: true });
      fs.mkdirSync(join(top, 'goes/in'), { recursive: true });
      fs.writeFileSync(join(top, 'goes/in/file'), '');
      fs.writeFileSync(join(top, 'becomes-directory'), '');
    },
    async ({ at, collect }) => {
      fs.rmSync(at('becomes-file'), { recursive: true });
      fs.writeFileSync(at('becomes-file'), '');
      fs.rmSync(at('becomes-directory'));
      fs.mkdirSync(at('becomes-directory'));
      fs.writeFileSync(at('becomes-directory/in'), '');
      fs.rmSync(at('goes'), { recursive: true });
      expect(await collect()).toEqual([
        'remove /becomes-file/in',
        'remove /becomes-file',
        'remove /becomes-directory',
        'put directory /becomes-directory',
        'put file /becomes-directory/in',
        'put file /becomes-file',
        'remove /goes/in/file',
        'remove /goes/in',
        'remove /goes',
      ]);
    },
  );
});

test('a directory that was emptied and made anew hides what it had', async () => {
  await onBench(
    (top) => {
      fs.mkdirSync(join(top, 'd'));
      fs.writeFileSync(join(top, 'd/old'), '');
      fs.writeFileSync(join(top, 'd/same'), 'same');
      fs.chmodSync(join(top, 'd'), 0o755);
    },
    async ({ at, collect }) => {
      fs.rmSync(at('d'), { recursive: true });
      fs.mkdirSync(at('d'));
      fs.chmodSync(at('d'), 0o755);
      fs.writeFileSync(at('d/new'), '');
      fs.writeFileSync(at('d/same'), 'same');
      fs.utimesSync(at('d/same'), 1_000_000_000, 1_000_000_000);
      expect(await collect()).toEqual(['put file /d/new', 'remove /d/old']);
    },
  );
});

test('a renamed directory is told by its contents, also once more', async () => {
  await onBench(
    (top) => {
      fs.mkdirSync(join(top, 'a/sub'), { recursive: true });
      fs.writeFileSync(join(top, 'a/sub/f'), 'content');
    },
    async ({ at, collect, changes }) => {
      fs.renameSync(at('a'), at('b'));
      const moved = ['put directory /b', 'put directory /b/sub', 'put file /b/sub/f'];
      expect(await collect()).toEqual([...moved, 'remove /a/sub/f', 'remove /a/sub', 'remove /a']);
      expect(changes()[2]).toMatchObject({ state: { mtime: { seconds: 1_000_000_000, nanoseconds: 0 } } });
      fs.renameSync(at('b'), at('a'));
      expect((await collect()).filter((line) => line.startsWith('put'))).toEqual([
        'put directory /a',
        'put directory /a/sub',
        'put file /a/sub/f',
      ]);
      fs.writeFileSync(at('a/sub/f'), 'changed');
      // The directory is put, too, as its time stays: a replay puts the file beside and renames it.
      expect(await collect()).toEqual(['put directory /a/sub', 'put file /a/sub/f']);
    },
  );
});

test('names of one file stay names of one file', async () => {
  await onBench(
    (top) => {
      fs.mkdirSync(join(top, 'bin'));
      fs.writeFileSync(join(top, 'bin/perl'), '5');
      fs.linkSync(join(top, 'bin/perl'), join(top, 'bin/perl5.36'));
      fs.writeFileSync(join(top, 'single'), '');
    },
    async ({ at, collect }) => {
      fs.appendFileSync(at('bin/perl5.36'), '.1');
      expect(await collect()).toEqual([
        'put directory /bin',
        'put file /bin/perl',
        'link /bin/perl5.36 -> /bin/perl',
      ]);
      fs.linkSync(at('single'), at('twin'));
      expect(await collect()).toEqual(['link /twin -> /single']);
      fs.renameSync(at('twin'), at('other'));
      expect(await collect()).toEqual(['link /other -> /single', 'remove /twin']);
      fs.chmodSync(at('other'), 0o600);
      expect(await collect()).toEqual(['put file /other', 'link /single -> /other']);
    },
  );
});

test('owners, modes, attributes, links, and names that are no text come through', async () => {
  await onBench(
    (top) => fs.writeFileSync(join(top, 'ping'), ''),
    async ({ at, collect, changes, collector }) => {
      const capability = Buffer.from('0100000200200000000000000000000000000000', 'hex');
      setXattr(at('ping'), 'security.capability', capability);
      const name = Buffer.from([0x6e, 0xff, 0xfe]);
      fs.writeFileSync(Buffer.concat([Buffer.from(`${at('')}/`), name]), '');
      fs.symlinkSync(Buffer.from([0x2f, 0xe9]), at('link'));
      fs.writeFileSync(at('su'), '');
      fs.chownSync(at('su'), 12, 34);
      fs.chmodSync(at('su'), 0o6755);
      await collect();
      const byPath = new Map(changes().map((change) => [change.path.toString('latin1'), change]));
      expect(byPath.get('/ping')).toMatchObject({ state: { xattrs: [['security.capability', capability]] } });
      expect(byPath.get('/n\xff\xfe')).toMatchObject({ path: Buffer.concat([Buffer.from('/'), name]) });
      expect(byPath.get('/link')).toMatchObject({
        state: { type: 'symlink', target: Buffer.from([0x2f, 0xe9]) },
      });
      expect(byPath.get('/su')).toMatchObject({ state: { mode: 0o6755, uid: 12, gid: 34 } });
      expect(collector.lowerState(Buffer.from('/su'))).toEqual({ type: 'absent' });
      expect(collector.lowerState(Buffer.from('/ping'))).toMatchObject({ type: 'file', uid: 0, mode: 0o644 });
    },
  );
});
