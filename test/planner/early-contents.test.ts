import { setTimeout as sleep } from 'node:timers/promises';
import { inflateSync } from 'node:zlib';
import { EarlyContents } from '../../src/planner/early-contents.js';
import { OutputMarks } from '../../src/planner/output-marks.js';
import { contentId } from '../plan/sample.js';

const early = (text: string) => {
  const bytes = Buffer.from(text);
  return { id: contentId(bytes), path: Buffer.from('/x'), bytes };
};
const text = 'word '.repeat(1000);
const id = contentId(Buffer.from(text));

/** Gives texts when it is asked, one list a time. */
function source(...rounds: string[][]) {
  let asked = 0;
  return {
    get asked() {
      return asked;
    },
    *readAhead() {
      asked++;
      yield* (rounds.shift() ?? []).map(early);
    },
  };
}

test('what is read while work goes on is there once, packed', async () => {
  const contents = new EarlyContents(source([text, 'short']), new OutputMarks());
  expect(await contents.during(sleep(800, 'done'))).toBe('done');
  const found = contents.take(id)!;
  expect([found.size, found.pieces.map(({ encoding }) => encoding)]).toEqual([text.length, ['zlib']]);
  expect(inflateSync(found.pieces[0]!.bytes).toString()).toBe(text);
  expect(contents.take(id)).toBeUndefined();
  expect(contents.take(contentId(Buffer.from('short')))?.pieces).toMatchObject([{ encoding: 'plain' }]);
});

test('what has a mark is left to the collection', async () => {
  const marks = new OutputMarks();
  const marked = `${text}${marks.mark(3)}`;
  const contents = new EarlyContents(source([marked]), marks);
  await contents.during(sleep(800));
  expect(contents.take(contentId(Buffer.from(marked)))).toBeUndefined();
});

test('nothing is read while everything has to stand still, nor after the work', async () => {
  const changes = source();
  const contents = new EarlyContents(changes, new OutputMarks());
  await contents.during(contents.without(() => sleep(1000)));
  expect(changes.asked).toBe(0);
  await contents.during(sleep(800));
  const { asked } = changes;
  expect(asked).toBeGreaterThan(0);
  await sleep(500);
  expect(changes.asked).toBe(asked);
});

test('a long round lets others have their turn, and stops when everything has to stand still', async () => {
  let read = 0;
  let held: Promise<readonly [before: number, after: number]> | undefined;
  const hold = () => {
    held = contents.without(async () => [read, await sleep(100).then(() => read)]);
  };
  const changes = {
    *readAhead() {
      for (; read < 100_000; read++) {
        // From a turn of the event loop, as an exec stop comes.
        if (read === 0) setTimeout(hold, 30);
        yield early(`${text}${read}`);
      }
    },
  };
  const contents: EarlyContents = new EarlyContents(changes, new OutputMarks());
  await contents.during(sleep(1000));
  const [before, after] = (await held)!;
  expect(before).toBeGreaterThan(0);
  expect(before).toBeLessThan(100_000);
  expect(after).toBe(before);
});

test('an error of the work is the error', async () => {
  const contents = new EarlyContents(source(), new OutputMarks());
  await expect(contents.during(Promise.reject(new Error('of the work')))).rejects.toThrow('of the work');
  await expect(contents.without(() => Promise.reject(new Error('of the task')))).rejects.toThrow(
    'of the task',
  );
});
