import { setImmediate as turn } from 'node:timers/promises';
import { Bounded } from '../../src/base/bounded.js';

test('as many tasks run at a time as may, and all have when it ends', async () => {
  const bounded = new Bounded(3);
  let running = 0;
  let most = 0;
  const done: number[] = [];
  for (let task = 0; task < 20; task++)
    await bounded.add(async () => {
      most = Math.max(most, ++running);
      for (let turns = task % 4; turns >= 0; turns--) await turn();
      running--;
      done.push(task);
    });
  await bounded.end();
  expect(most).toBe(3);
  expect(done.sort((a, b) => a - b)).toEqual([...Array(20).keys()]);
});

test('after a task that fails none begins, and the end tells why', async () => {
  const bounded = new Bounded(2);
  const begun: string[] = [];
  const add = (name: string, failing: boolean) =>
    bounded.add(async () => {
      begun.push(name);
      await turn();
      if (failing) throw new Error(`${name} failed`);
    });
  await add('first', false);
  await add('second', true);
  await turn();
  await add('third', true);
  await expect(bounded.end()).rejects.toThrow('second failed');
  expect(begun).toEqual(['first', 'second']);
});
