import type { Guest } from '../../../src/guest/guest.js';
import { openGuest } from '../../../src/guest/open.js';
import { openMemory } from '../../../src/memory/open.js';
import type { DirectoryNode, ProcNode } from '../../../src/shadow/proc/node.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';
import { byPid } from '../../guest/captures.js';
import { suspendedGuest, type SuspendedGuest } from '../../lab/suspended.js';

/** The smaller files of a real guest's processes a moment before it was suspended, against what we render. */
let lab: SuspendedGuest;
let guest: Guest;
let tree: DirectoryNode;

beforeAll(async () => {
  lab = await suspendedGuest();
  guest = openGuest(await openMemory(lab.memory));
  tree = renderTree(guest);
});
afterAll(() => guest[Symbol.dispose]());

function nodeAt(path: string): ProcNode | undefined {
  return path
    .split('/')
    .reduce<ProcNode | undefined>(
      (parent, name) => (parent && 'children' in parent ? parent.children.get(name) : undefined),
      tree,
    );
}

function contentAt(path: string): Buffer | undefined {
  const node = nodeAt(path);
  return node && 'content' in node ? node.content : undefined;
}

/** Programs that took the captures, or that work while they are taken. */
const busy = /^(sh|ps|cat|tar|sleep|qemu-ga|kworker\/.*|\(.*\))$/;

/** What a capture and we show of each process that lasts. */
async function both(name: string): Promise<[pid: number, inside: string, ours: string][]> {
  const lasting = [...byPid(await lab.inside(`all-${name}`))].filter(([pid]) => {
    const process = guest.processes().find((each) => each.pid === pid);
    return process && !busy.test(process.comm);
  });
  expect(lasting.length).toBeGreaterThan(40);
  return lasting.map(([pid, inside]) => [pid, inside, contentAt(`${pid}/${name}`)?.toString() ?? '(absent)']);
}

test.each(['limits', 'oom_score_adj', 'loginuid', 'sessionid', 'timerslack_ns', 'personality'])(
  '%s of every process is the same',
  async (name) => {
    for (const [pid, inside, ours] of await both(name)) expect([pid, ours]).toEqual([pid, inside]);
  },
);

test('oom_score moves with the resident pages only', async () => {
  for (const [, inside, ours] of await both('oom_score'))
    expect(Math.abs(Number(ours) - Number(inside))).toBeLessThan(10);
});

test('io has the same lines, and counts grow', async () => {
  const numbers = (text: string) => [...text.matchAll(/\d+/g)].map(Number);
  for (const [, inside, ours] of await both('io')) {
    expect(ours.replace(/\d+/g, '#')).toBe(inside.replace(/\d+/g, '#'));
    numbers(ours).forEach((value, at) => expect(value).toBeGreaterThanOrEqual(numbers(inside)[at] ?? NaN));
  }
});

test('environ of every process is the same, where its pages are in memory', async () => {
  const all = await both('environ');
  for (const [pid, inside, ours] of all)
    if (ours !== '(absent)') expect([pid, ours.replaceAll('\0', '\n')]).toEqual([pid, inside]);
  expect(all.filter(([, , ours]) => ours.includes('PATH=')).length).toBeGreaterThan(5);
});

test('auxv of every process is the same', async () => {
  for (const [pid, inside] of await both('auxv'))
    expect([pid, contentAt(`${pid}/auxv`)?.toString('base64')]).toEqual([pid, inside.trim()]);
});

test('namespaces of every process have the same numbers', async () => {
  let compared = 0;
  for (const [pid, listing] of byPid(await lab.inside('all-ns'))) {
    const process = guest.processes().find((each) => each.pid === pid);
    if (!process || busy.test(process.comm)) continue;
    const inside = [...listing.matchAll(/(\w+) -> (\S+)$/gm)].map(([, name, target]) => [name, target]);
    const directory = nodeAt(`${pid}/ns`);
    const ours = directory && 'children' in directory ? [...directory.children.keys()].sort() : [];
    expect(ours.map((name) => [name, contentAt(`${pid}/ns/${name}`)?.toString()])).toEqual(inside);
    compared++;
  }
  expect(compared).toBeGreaterThan(40);
});
