import * as fs from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FileChange } from '../../../src/plan/model.js';
import { run, temporaryDirectory } from '../../disk/images.js';
import { contentId } from '../../plan/sample.js';
import { mapShared } from './libc.js';
import { onGuest } from './on-guest.js';

/** Nanoseconds, and milliseconds that are more. */
const age = 25_000_000n;
const later = 60;

interface Bench {
  readonly at: (path: string) => string;
  /** What is read ahead, after a while: path and text. */
  readonly ahead: () => Promise<string[]>;
  /** What is collected: path and hash of the content. */
  readonly collect: () => Promise<string[]>;
}

const onFiles = (use: (bench: Bench) => Promise<void>) =>
  onGuest(
    (top) => {
      for (const name of ['a', 'b']) fs.writeFileSync(join(top, name), 'guest');
    },
    async (shadow, collector) => {
      await collector.baseline();
      await use({
        at: (path) => join(shadow.root, path),
        ahead: async () => {
          await sleep(later);
          // Each one's bytes are there until the next is asked for.
          const read: string[] = [];
          for (const { path, bytes } of collector.readAhead(age))
            read.push(`${path.toString()} ${bytes.toString()}`);
          return read;
        },
        collect: async () => (await collector.collect(() => Promise.resolve())).map(tell),
      });
    },
  );

const tell = (change: FileChange) =>
  `${change.path.toString()} ${change.action === 'put' ? change.state.content : change.action}`;
const has = (path: string, text: string) => `${path} ${contentId(Buffer.from(text))}`;

test('a file is read once it has not changed for a while, and again when it has changed since', async () => {
  await onFiles(async ({ at, ahead, collect }) => {
    expect(await ahead()).toEqual([]);
    fs.writeFileSync(at('a'), 'first');
    fs.writeFileSync(at('new'), 'other');
    expect((await ahead()).sort()).toEqual(['/a first', '/new other']);
    expect(await ahead()).toEqual([]);
    // Of the same size, with the old time put back.
    const { atime, mtime } = fs.statSync(at('a'));
    fs.writeFileSync(at('a'), 'third');
    fs.utimesSync(at('a'), atime, mtime);
    expect(await collect()).toEqual([has('/a', 'third'), has('/new', 'other')]);
  });
});

test('a file that is written in place, in a directory that stays as it is, is left to the collection', async () => {
  await onFiles(async ({ at, ahead, collect }) => {
    fs.mkdirSync(at('d'));
    fs.writeFileSync(at('d/old'), 'first');
    expect(await ahead()).toEqual(['/d/old first']);
    fs.writeFileSync(at('d/old'), 'other');
    expect(await ahead()).toEqual([]);
    fs.writeFileSync(at('d/new'), 'third');
    expect(await ahead()).toEqual(['/d/new third']);
    expect(await collect()).toEqual(
      expect.arrayContaining([has('/d/new', 'third'), has('/d/old', 'other')]) as unknown,
    );
  });
});

test('what is collected needs no reading ahead any more', async () => {
  await onFiles(async ({ at, ahead, collect }) => {
    fs.writeFileSync(at('a'), 'first');
    expect(await collect()).toEqual([has('/a', 'first')]);
    await ahead();
    fs.writeFileSync(at('b'), 'again');
    expect(await ahead()).toEqual(['/b again']);
    expect(await collect()).toEqual([has('/b', 'again')]);
  });
});

test('a store through a mapping that was there before counts', async () => {
  await onFiles(async ({ at, ahead, collect }) => {
    fs.writeFileSync(at('a'), 'mapped');
    using mapping = mapShared(at('a'), 6);
    mapping.write(Buffer.from('dirty1'));
    expect(await ahead()).toEqual(['/a dirty1']);
    mapping.write(Buffer.from('dirty2'));
    expect(await collect()).toEqual([has('/a', 'dirty2')]);
  });
});

test('only regular files of the guest are read, and no large ones', async () => {
  await onFiles(async ({ at, ahead }) => {
    using outside = temporaryDirectory();
    fs.writeFileSync(join(outside.path, 'secret'), 'secret');
    fs.mkdirSync(at('d'));
    fs.writeFileSync(at('d/secret'), 'own');
    run('mkfifo', at('fifo'));
    fs.truncateSync(at('a'), 9 << 20);
    // As the guest's own links lead: to nowhere of ours.
    fs.symlinkSync(outside.path, at('link'));
    expect(await ahead()).toEqual(['/d/secret own']);
  });
});
