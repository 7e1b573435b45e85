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
import { orders, policies, type Variant } from './variant.js';

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

async function tried(
  from: Original,
  command: string,
  variants: readonly Variant[] = [{ policy: 'split', order: 'log' }],
): Promise<CaseResult[]> {
  const update = {
    package: 'less',
    operation: 'upgrade',
    guest: 'root',
    command: ['/bin/sh', '-ec', command],
  } as const;
  const results: CaseResult[] = [];
  const judge = new Judge(allowList);
  for await (const result of runCase(update, variants, { original: from, judge, folder, signal }))
    results.push(result);
  return results;
}

test('an upgrade that is planned and applied is the same as inside, whatever becomes of scripts', async () => {
  const variants = policies.flatMap((policy) => orders.map((order) => ({ policy, order })));
  const results = await tried(original, `${apt} update && ${apt} --only-upgrade install less`, variants);
  expect(results.map(({ policy, order }) => ({ policy, order }))).toEqual(variants);
  for (const result of results) {
    expect(result).toMatchObject({ result: 'identical', differences: [], unsteady: [] });
    expect(result.applySeconds).toBeGreaterThan(0);
  }
});

test('a candidate that was not brought to the same state is found out', async () => {
  const lazy: Original = {
    ...original,
    candidate: async () => ({ copy: await original.reference(), seconds: 0 }),
  };
  const [result] = await tried(
    lazy,
    'useradd --system someone; ln -s /dev/null /etc/systemd/system/none.service; dpkg-divert --no-rename --add /bin/ls',
  );
  expect(result).toMatchObject({ result: 'differs' });
  expect(result!.differences.map(({ path, aspect }) => `${path} ${aspect}`)).toEqual(
    expect.arrayContaining([
      '/etc/passwd content',
      '/etc/shadow content',
      '/etc/systemd/system/none.service presence',
      '/var/lib/dpkg/diversions content',
      'live:user/someone presence',
      'live:unit-file/none.service presence',
      'live:diversion/bin/ls.distrib presence',
    ]),
  );
});

test('a command that fails inside, or while it is planned, is a failed case with its words', async () => {
  const [result] = await tried(original, 'echo no such thing; exit 3');
  expect(result).toMatchObject({
    result: 'failed',
    error: expect.stringMatching(/ended with status 3: no such thing \(UPDATE_FAILED\)$/) as string,
  });
});
