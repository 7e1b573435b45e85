import { allowList } from './allow-list.js';
import { fact, type Item, type Observation } from './item.js';
import { globPattern, Judge, type AllowedDifference, type AllowListRow } from './judge.js';

const observation = (facts: Readonly<Record<string, string>>): Observation =>
  new Map(Object.entries(facts).map(([path, value]): [string, Item] => [path, fact(value)]));
const log: AllowedDifference = { path: '/log', aspects: ['content'], same: 'times', why: 'times' };
const ids: AllowedDifference = { path: '/ids/*', aspects: ['presence', 'content'], why: 'random ids' };

test('a difference counts unless a row has its path and its aspect', () => {
  const judge = new Judge([{ ...ids, aspects: ['content'] }]);
  const reference = observation({ '/ids/a': '1', '/other': '1', '/ids/gone': '1' });
  const candidate = observation({ '/ids/a': '2', '/other': '2' });
  expect(judge.compareCandidate(reference, reference, candidate)).toMatchObject([
    { path: '/ids/gone', aspect: 'presence' },
    { path: '/other', aspect: 'content' },
  ]);
});

test('a row that normalises permits nothing beyond', () => {
  const judge = new Judge([log]);
  const reference = observation({ '/log': '2026-01-01 10:00:00 install a' });
  const compare = (text: string) =>
    judge.compareCandidate(reference, reference, observation({ '/log': text }));
  expect(compare('2026-01-01 10:00:07 install a')).toEqual([]);
  expect(compare('2026-01-01 10:00:07 install b')).toMatchObject([
    { reference: 'TIME install a', candidate: 'TIME install b' },
  ]);
});

describe('with two references that differ', () => {
  const first = observation({ '/x': '1', '/only-first': '1' });
  const second = observation({ '/x': '2', '/only-second': '1' });
  const differences = (facts: Readonly<Record<string, string>>) =>
    new Judge([]).compareCandidate(first, second, observation(facts)).map(({ path }) => path);

  test('the candidate may be as either of them', () => {
    expect(differences({ '/x': '1', '/only-first': '1' })).toEqual([]);
    expect(differences({ '/x': '2', '/only-second': '1' })).toEqual([]);
    expect(differences({ '/x': '2' })).toEqual([]);
  });

  test('but not as none of them', () => {
    expect(differences({ '/x': '3' })).toEqual(['/x']);
    expect(differences({ '/x': '1', '/only-second': '2' })).toEqual(['/only-second']);
    expect(differences({ '/x': '1', '/only-third': '1' })).toEqual(['/only-third']);
  });

  test('what no row says of them is reported', () => {
    expect(new Judge([]).compareReferences(first, second).map(({ path }) => path)).toEqual([
      '/only-first',
      '/only-second',
      '/x',
    ]);
  });
});

test('rows that no references gave reason for are known', () => {
  const judge = new Judge([log, ids]);
  expect(judge.unseen).toEqual([log, ids]);
  const [first, second] = [observation({ '/ids/1': 'a' }), observation({ '/ids/2': 'a' })];
  expect(judge.compareReferences(first, second)).toEqual([]);
  expect(judge.unseen).toEqual([log]);
  // What a candidate has gives no reason.
  judge.compareCandidate(
    observation({ '/log': '1' }),
    observation({ '/log': '1' }),
    observation({ '/log': '2' }),
  );
  expect(judge.unseen).toEqual([log]);
});

describe('random names', () => {
  const judge = () => new Judge([{ name: /^\/tmp\/[0-9a-f]{4}(?=\/|$)/, as: '/tmp/RANDOM', why: 'random' }]);
  const first = observation({ '/tmp/0a1b': 'd', '/tmp/0a1b/file': '1', '/tmp/x': '' });

  test('do not count, but what is behind them does', () => {
    const same = observation({ '/tmp/ffff': 'd', '/tmp/ffff/file': '1', '/tmp/x': '' });
    expect(judge().compareCandidate(first, first, same)).toEqual([]);
    const other = observation({ '/tmp/ffff': 'd', '/tmp/ffff/file': '2', '/tmp/x': '' });
    expect(judge().compareCandidate(first, first, other)).toMatchObject([{ path: '/tmp/RANDOM/file' }]);
    expect(judge().compareCandidate(first, first, observation({ '/tmp/x': '' }))).toMatchObject([
      { path: '/tmp/RANDOM', aspect: 'presence' },
    ]);
  });

  test('of several that are the same each counts', () => {
    const two = observation({ '/tmp/0a1b': 'd', '/tmp/0a1b/file': '1', '/tmp/ffff': 'd', '/tmp/x': '' });
    expect(judge().compareCandidate(first, first, two)).toMatchObject([{ path: '/tmp/RANDOM 2' }]);
  });

  test('are seen when the references do not have the same', () => {
    const seen = judge();
    seen.compareReferences(first, first);
    expect(seen.unseen).toHaveLength(1);
    seen.compareReferences(first, observation({ '/tmp/ffff': 'd', '/tmp/ffff/file': '1', '/tmp/x': '' }));
    expect(seen.unseen).toEqual([]);
  });
});

test('a pattern is one of whole paths', () => {
  expect(globPattern('/var/log/*.log').test('/var/log/a.log')).toBe(true);
  expect(globPattern('/var/log/*.log').test('/var/log/apt/a.log')).toBe(false);
  expect(globPattern('/var/log/**').test('/var/log/apt/a.log')).toBe(true);
  expect(globPattern('/var/a.log').test('/var/aXlog')).toBe(false);
  expect(globPattern('/a').test('/a/b')).toBe(false);
  expect(globPattern('/a(*)+').test('/a(b)+')).toBe(true);
});

test('each row of the allow-list is there once, with a reason', () => {
  const keys = allowList.flatMap((row) =>
    'path' in row ? row.aspects.map((aspect) => `${row.path} ${aspect}`) : [row.name.source],
  );
  expect(new Set(keys).size).toBe(keys.length);
  expect(allowList.filter(({ why }) => why.length < 10)).toEqual([]);
  // A row for everything would make the oracle blind.
  const matches = (row: AllowListRow) =>
    ('path' in row ? globPattern(row.path) : row.name).test('/etc/passwd');
  expect(allowList.filter(matches)).toEqual([]);
});
