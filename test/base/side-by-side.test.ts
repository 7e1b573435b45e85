import { setTimeout as sleep } from 'node:timers/promises';
import { sideBySide } from '../../src/base/side-by-side.js';

test('gives what all of it came to', async () => {
  const [number, text] = await sideBySide([Promise.resolve(1), sleep(5).then(() => 'two')]);
  expect([number, text]).toEqual([1, 'two']);
});

test('throws what the first in order threw, when nothing is under way any more', async () => {
  let done = false;
  const slow = sleep(20).then(() => (done = true));
  const failing = sleep(5).then(() => Promise.reject(new Error('first')));
  await expect(sideBySide([slow, failing, Promise.reject(new Error('second'))])).rejects.toThrow('first');
  expect(done).toBe(true);
});
