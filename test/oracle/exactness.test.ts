import type { CaseResult, OracleDocument } from './document.js';
import { exactnessPage } from './exactness.js';

const one = (result: Partial<CaseResult>): CaseResult => ({
  package: 'nginx',
  operation: 'install',
  guest: 'root',
  policy: 'split',
  order: 'log',
  result: 'identical',
  differences: [],
  unsteady: [],
  seconds: 1,
  ...result,
});
const document = (...cases: CaseResult[]): OracleDocument => ({
  schemaVersion: '1.0',
  complete: true,
  cases,
  allowList: 3,
  seconds: 1,
});
const difference = { path: '/etc/x', aspect: 'mode', reference: '0644', candidate: '0600' } as const;

test('the page has a column for each way to plan, a row for each package, and what differs', () => {
  const page = exactnessPage([
    document(
      one({ operation: 'remove', result: 'failed', error: 'it | said\n`no`' }),
      one({}),
      one({ policy: 'defer', result: 'differs', differences: Array.from({ length: 8 }, () => difference) }),
      one({ package: 'cron' }),
    ),
  ]);
  expect(page).toContain('|  | split, log, root | defer, log, root |');
  expect(page).toContain('| **identical** | **2 of 3** | **0 of 1** |');
  expect(page).toContain('| nginx | install =, remove ! | install 8 |');
  expect(page).toContain('| cron | install = |  |');
  expect(page).toContain("- nginx, remove: `it ¦ said 'no'`");
  expect(page).toMatch(
    /## What differs: defer, log, root\n\n- nginx, install: (`\/etc\/x` \(mode\), ){6}2 more/,
  );
});

test('a later document replaces what an earlier one says of a case', () => {
  const page = exactnessPage([document(one({ result: 'failed' })), document(one({}))]);
  expect(page).toContain('| nginx | install = |');
  expect(page).not.toContain('What differs');
});
