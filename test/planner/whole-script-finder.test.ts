import { constants } from 'node:os';
import { FilesInUse } from '../../src/planner/files-in-use.js';
import { LiveCalls } from '../../src/planner/live/live-calls.js';
import { RunningScripts, type RunningScript } from '../../src/planner/running-scripts.js';
import { WholeScriptFinder } from '../../src/planner/whole-script-finder.js';
import { WholeScripts } from '../../src/planner/whole-scripts.js';
import { fixtureGuest } from '../shadow/proc/fixture-guest.js';
import { remove } from './file-model.js';
import { guestTree, type GuestTree } from './live/guest-tree.js';

const data = '/var/lib/db/data';
const open = {
  ...{ descriptor: 3, readable: true, writable: true, position: 0n, flags: 0, mountId: 1 },
  target: data,
};
const script = (name: string, step: number): RunningScript => ({
  ...{ package: name, kind: 'postrm', args: ['purge'], step },
});
const [first, second, third] = [script('a', 1), script('b', 2), script('c', 3)];
const failure = (words: string) =>
  expect.objectContaining({ message: expect.stringContaining(words) as string }) as Error;

let tree: GuestTree;
let whole: WholeScripts;
let writes: string[];
/** What planning begins with each time. */
const attempt = () => {
  const guest = fixtureGuest({ openFiles: () => new Map([[7, [open]]]), unixSockets: () => [] });
  return new WholeScriptFinder({
    running: new RunningScripts(),
    live: new LiveCalls(tree.root, guest),
    inUse: new FilesInUse(guest),
    kernelWrites: () => writes.splice(0),
    whole,
  });
};
beforeEach(() => {
  tree = guestTree();
  whole = new WholeScripts();
  writes = [];
});
afterEach(() => tree[Symbol.dispose]());

test('the only script that ran since the last collection is the one that removed a file in use', () => {
  const finder = attempt();
  finder.begins(first);
  finder.collected([remove('/var/lib/other')]);
  finder.begins(second);
  expect(() => finder.collected([remove(data)])).toThrow(failure('b.postrm cannot run offline: the removal'));
  expect([first, second].map((each) => whole.reason(each) !== undefined)).toEqual([false, true]);
});

test('of several each is taken for the one', () => {
  const finder = attempt();
  whole.add(third, 'known before');
  for (const each of [first, second, third]) finder.begins(each);
  expect(() => finder.collected([remove(data)])).toThrow(failure('a.postrm cannot run offline: the removal'));
  expect([first, second, third].map((each) => whole.reason(each)?.split(' ')[0])).toEqual([
    'the',
    'the',
    'known',
  ]);
});

test('a removal that no script can have made is none', () => {
  attempt().collected([remove(data)]);
  expect(whole.size).toBe(0);
});

test('effects and writes to the kernel are found, and what others write is forgotten', () => {
  const finder = attempt();
  const errno = constants.errno.EPERM;
  const effect = { type: 'call', pid: 7, call: 'swapon', kind: 'effect', errno } as const;
  expect(() => finder.look(effect, first)).toThrow(failure('a.postrm cannot run offline: swapon(2)'));
  finder.look(effect, undefined);
  const exit = { type: 'exit', pid: 7, exitStatus: 0 } as const;
  writes.push('/proc/sys/vm/swappiness');
  finder.look(exit, undefined);
  finder.look(exit, second);
  writes.push('/proc/self/comm', '/proc/sys/vm/swappiness');
  expect(() => finder.look(exit, second)).toThrow(failure('a write to /proc/sys/vm/swappiness'));
});

test('the first script that failed is to blame', () => {
  const finder = attempt();
  finder.blame();
  finder.suspect({ ...first, pid: 7, exitStatus: 3 });
  finder.suspect({ ...second, pid: 8, exitStatus: 4 });
  expect(() => finder.blame()).toThrow(failure('a.postrm cannot run offline: it ended with status 3'));
});
