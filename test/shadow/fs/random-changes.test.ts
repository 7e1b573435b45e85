import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { errnoOf } from '../../../src/base/errors.js';
import { openDisk } from '../../../src/disk/open.js';
import type { FileChange } from '../../../src/plan/model.js';
import { ChangeCollector, type Content } from '../../../src/shadow/fs/collector.js';
import { openShadowFs, type ShadowFs } from '../../../src/shadow/fs/open.js';
import { leftovers, makeFileSystem, run, sparseFile, temporaryDirectory } from '../../disk/images.js';
import { contentId } from '../../plan/sample.js';
import { mknod, S_IFCHR, S_IFIFO, setXattr } from './libc.js';
import { replay, snapshot } from './replay.js';

const old = 1_000_000_000;

/** Few names, so that operations often meet what is there. */
const path = fc
  .array(fc.constantFrom('a', 'b', 'c', 'f', 'g', 'h'), { minLength: 1, maxLength: 3 })
  .map((names) => names.join('/'));
const text = fc.constantFrom('', 'x', 'y', 'longer');

/** The guest's tree before: directories in directories, files with several names, a link, attributes. */
function makeTree(top: string): void {
  for (const directory of ['a/b/c', 'b', 'h']) fs.mkdirSync(join(top, directory), { recursive: true });
  for (const file of ['a/f', 'a/b/f', 'a/b/c/f', 'b/h', 'c', 'g']) fs.writeFileSync(join(top, file), file);
  fs.linkSync(join(top, 'a/f'), join(top, 'a/g'));
  fs.linkSync(join(top, 'a/f'), join(top, 'b/f'));
  fs.symlinkSync('c', join(top, 'f'));
  fs.chmodSync(join(top, 'g'), 0o4755);
  setXattr(join(top, 'g'), 'user.colour', Buffer.from('blue'));
  fs.mkdirSync(join(top, 'b/g'));
  fs.writeFileSync(join(top, 'b/g/a'), 'deep');
  run('find', top, '-exec', 'touch', '-h', '-d', `@${old}`, '{}', '+');
}

/** Never waits for the reader of a FIFO. */
function write(file: string, content: string, flag: number): void {
  const { O_WRONLY, O_CREAT, O_NONBLOCK } = fs.constants;
  const descriptor = fs.openSync(file, O_WRONLY | O_CREAT | O_NONBLOCK | flag);
  fs.writeSync(descriptor, content);
  fs.closeSync(descriptor);
}

type Operation = { readonly name: string; readonly run: (root: string) => void };
const operation = (name: string, action: (root: string) => void): Operation => ({ name, run: action });

const operations = fc.oneof(
  fc
    .tuple(path, text)
    .map(([p, t]) => operation(`write ${p} ${t}`, (r) => write(join(r, p), t, fs.constants.O_TRUNC))),
  fc
    .tuple(path, text)
    .map(([p, t]) => operation(`append ${p} ${t}`, (r) => write(join(r, p), t, fs.constants.O_APPEND))),
  path.map((p) => operation(`open ${p}`, (r) => fs.closeSync(fs.openSync(join(r, p), 'r+')))),
  path.map((p) => operation(`unlink ${p}`, (r) => fs.unlinkSync(join(r, p)))),
  path.map((p) => operation(`mkdir ${p}`, (r) => fs.mkdirSync(join(r, p)))),
  path.map((p) => operation(`rmdir ${p}`, (r) => fs.rmdirSync(join(r, p)))),
  path.map((p) => operation(`rm -r ${p}`, (r) => fs.rmSync(join(r, p), { recursive: true }))),
  fc
    .tuple(path, path)
    .map(([a, b]) => operation(`rename ${a} ${b}`, (r) => fs.renameSync(join(r, a), join(r, b)))),
  fc
    .tuple(path, path)
    .map(([a, b]) => operation(`link ${a} ${b}`, (r) => fs.linkSync(join(r, a), join(r, b)))),
  fc
    .tuple(path, fc.constantFrom('c', 'nowhere', 'f'))
    .map(([p, t]) => operation(`symlink ${p} ${t}`, (r) => fs.symlinkSync(t, join(r, p)))),
  fc
    .tuple(path, fc.constantFrom(0o644, 0o4755, 0o1777))
    .map(([p, m]) => operation(`chmod ${p} ${m}`, (r) => fs.chmodSync(join(r, p), m))),
  fc
    .tuple(path, fc.constantFrom(0, 1000))
    .map(([p, id]) => operation(`chown ${p} ${id}`, (r) => fs.lchownSync(join(r, p), id, id))),
  fc
    .tuple(path, fc.constantFrom(old, old + 5))
    .map(([p, t]) => operation(`utimes ${p} ${t}`, (r) => fs.lutimesSync(join(r, p), t, t))),
  fc
    .tuple(path, text)
    .map(([p, t]) =>
      operation(`xattr ${p} ${t}`, (r) => setXattr(join(r, p), 'trusted.note', Buffer.from(t))),
    ),
  path.map((p) => operation(`fifo ${p}`, (r) => mknod(join(r, p), S_IFIFO | 0o644))),
  path.map((p) => operation(`device ${p}`, (r) => mknod(join(r, p), S_IFCHR | 0o600, 1, 3))),
);

/** What a file operation may fail with; anything else (EXDEV, EIO) is a fault of the shadow. */
const ordinary =
  /^(ENOENT|EACCES|EEXIST|ENOTDIR|EISDIR|ENOTEMPTY|EINVAL|ELOOP|EPERM|ENXIO|EBUSY|ERR_FS_EISDIR|E2|E17|E20|E40)$/;

/** A shadow whose only layer holds the tree of `makeTree`. */
type Shadow = Pick<ShadowFs, 'layers' | 'root'> & AsyncDisposable;

/** Whatever is done: what is collected, applied to a copy of the guest, gives what the update sees. */
async function applyingGivesWhatIsSeen(folder: string, open: () => Promise<Shadow>): Promise<void> {
  let round = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.oneof(
          { weight: 12, arbitrary: operations },
          { weight: 2, arbitrary: fc.constant('collect' as const) },
          { weight: 1, arbitrary: fc.constant('read ahead' as const) },
        ),
        { minLength: 1, maxLength: 40 },
      ),
      async (steps) => {
        await using shadow = await open();
        const copy = join(folder, `copy-${round++}`);
        run('cp', '--archive', shadow.layers[0]!.lower, copy);
        const collector = new ChangeCollector(shadow);
        await collector.baseline();
        const start = Math.floor(Date.now() / 1000) - 1;
        const contents = new Map<string, Buffer>();
        const collect = async (): Promise<FileChange[]> =>
          collector.collect((content: Content) => {
            contents.set(content.id, Buffer.concat([...content.read()].map((piece) => Buffer.from(piece))));
            return Promise.resolve();
          });
        for (const step of [...steps, 'collect'] as const) {
          if (step === 'collect') replay(copy, await collect(), contents);
          else if (step === 'read ahead') {
            await sleep(30);
            for (const { id, bytes } of collector.readAhead(25_000_000n)) expect(contentId(bytes)).toBe(id);
          } else attempt(step, shadow.root);
        }
        expect(snapshot(copy, start)).toEqual(snapshot(shadow.root, start));
        expect(await collect()).toEqual([]);
        fs.rmSync(copy, { recursive: true });
      },
    ),
    { numRuns: Number(process.env['OUASSISTER_RUNS'] ?? 60) },
  );
}

test('applying what was collected of a disk to a copy of the guest gives what the update sees', async () => {
  using folder = temporaryDirectory();
  const tree = join(folder.path, 'tree');
  const image = join(folder.path, 'disk.raw');
  makeTree(tree);
  sparseFile(image, 32 << 20);
  makeFileSystem(image, { tree });
  {
    await using disk = await openDisk(image, { scratch: folder.path });
    await applyingGivesWhatIsSeen(folder.path, () =>
      openShadowFs({ disk, scratch: folder.path, limit: 32 << 20 }),
    );
  }
  expect(leftovers(folder.path)).toEqual([]);
});

test('so does what was collected of a copy of what the guest keeps in memory', async () => {
  using folder = temporaryDirectory();
  const memory = join(folder.path, 'memory');
  const [lower, merged] = [join(memory, 'lower'), join(memory, 'merged')];
  fs.mkdirSync(memory);
  run('mount', '-t', 'tmpfs', 'tmpfs', memory);
  try {
    await applyingGivesWhatIsSeen(folder.path, () => {
      for (const path of [lower, merged]) fs.rmSync(path, { recursive: true, force: true });
      fs.mkdirSync(lower);
      makeTree(lower);
      // In an overlay this would be a whiteout.
      mknod(join(lower, 'zero'), S_IFCHR, 0, 0);
      run('cp', '--archive', lower, merged);
      const layer = { onDisk: false, at: '/', root: '/', lower, upper: merged, merged, limit: 1 << 20 };
      return Promise.resolve({
        layers: [layer],
        root: merged,
        [Symbol.asyncDispose]: () => Promise.resolve(),
      });
    });
  } finally {
    run('umount', memory);
  }
});

function attempt(step: Operation, root: string): void {
  try {
    step.run(root);
  } catch (error) {
    if (!ordinary.test(errnoOf(error) ?? '')) throw error;
  }
}
