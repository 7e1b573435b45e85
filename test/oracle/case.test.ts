import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suspendedGuest } from '../lab/suspended.js';
import { allowList } from './allow-list.js';
import { runCase } from './case.js';
import type { Original } from './copy.js';
import type { CaseResult } from './document.js';
import { Judge } from './judge.js';
import { openRootOriginal } from './root/original.js';

let folder: string;
let original: Original;
const { signal } = new AbortController();
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oua-oracle-'));
  original = await openRootOriginal(await suspendedGuest(), signal);
});
afterAll(async () => {
  await original[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** The lab's archive, which is in the guest, alone. */
const apt =
  'apt-get -y -o Dir::Etc::sourceparts=- -o Dir::Etc::sourcelist=/etc/apt/sources.list.d/local-archive.sources';

async function tried(from: Original, command: string): Promise<CaseResult[]> {
  const update = {
    package: 'less',
    operation: 'upgrade',
    guest: 'root',
    command: ['/bin/sh', '-ec', command],
  } as const;
  const variants = [{ policy: 'defer', order: 'log' }] as const;
  const results: CaseResult[] = [];
  const judge = new Judge(allowList);
  for await (const result of runCase(update, variants, { original: from, judge, folder, signal }))
    results.push(result);
  return results;
}

test('an upgrade whose scripts say nothing is the same, planned and applied as inside', async () => {
  const [result, ...more] = await tried(original, `${apt} update && ${apt} --only-upgrade install less`);
  expect(more).toEqual([]);
  expect(result).toMatchObject({ result: 'identical', differences: [], unsteady: [] });
  expect(result!.applySeconds).toBeGreaterThan(0);
});

test('a command that fails inside, or while it is planned, is a failed case with its words', async () => {
  const [result] = await tried(original, 'echo no such thing; exit 3');
  expect(result).toMatchObject({
    result: 'failed',
    error: expect.stringMatching(/ended with status 3: no such thing \(UPDATE_FAILED\)$/) as string,
  });
});
