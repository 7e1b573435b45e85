import fc from 'fast-check';
import type { FileChange } from '../../src/plan/model.js';
import { oneFileSet } from '../../src/planner/one-file-set.js';
import { after, changedGuest, directory, file, link, put, remove } from './file-model.js';

test('the last state of each path wins, and earlier ones are not put', () => {
  const last = put('/etc/a', file('third'));
  expect(
    oneFileSet([
      put('/etc/a', file('first')),
      put('/etc/b', file('only')),
      put('/etc/a', file('second')),
      last,
      remove('/etc/b'),
    ]),
  ).toEqual([last, remove('/etc/b')]);
});

test('an inode that has another name by then is put for it', () => {
  const changes = [put('/a', file('old')), link('/b', '/a'), put('/a', file('new'))];
  expect(oneFileSet(changes)).toEqual(changes);
  expect(oneFileSet([...changes, put('/b', file('own'))])).toEqual([changes[2], put('/b', file('own'))]);
});

test('a directory is there before what is in it, also when it changes later', () => {
  const changes = [put('/d', directory()), put('/d/f', file('f')), put('/d', directory(0o700))];
  expect(oneFileSet(changes)).toEqual(changes);
});

describe('a database', () => {
  const base = 'of the guest';
  const database = (content: string, before?: string): FileChange => ({
    ...put('/etc/passwd', file(content)),
    merge: { format: 'accounts', ...(before !== undefined && { base: before }) },
  });

  test('is merged with what was there before all sets', () => {
    expect(oneFileSet([database('one', base), database('two', 'one'), database('three', 'two')])).toEqual([
      database('three', base),
    ]);
    expect(oneFileSet([database('one'), database('two', 'one')])).toEqual([database('two')]);
  });

  test('that goes and comes again is merged each time with what is there then', () => {
    const gone: FileChange = { ...remove('/etc/passwd'), merge: { format: 'accounts', base: 'one' } };
    expect(oneFileSet([database('one', base), gone, database('two')])).toEqual([
      { ...gone, merge: { format: 'accounts', base } },
      database('two'),
    ]);
  });

  test('is not merged with what cannot be', () => {
    expect(oneFileSet([link('/etc/passwd', '/etc/other'), database('two', 'one')])).toEqual([
      put('/etc/passwd', file('two')),
    ]);
  });
});

test('one set leads to the same files as all of them', () => {
  fc.assert(
    fc.property(changedGuest, ({ guest, changes }) => {
      const one = oneFileSet(changes);
      const [expected, found] = [changes, one].map((all) => after(guest, [{ kind: 'files', changes: all }]));
      expect(found!.snapshot()).toEqual(expected!.snapshot());
      if (changes.some(({ action }) => action === 'link')) return;
      const files = one.filter((change) => change.action === 'put' && change.state.type === 'file');
      expect(new Set(files.map(({ path }) => path.toString())).size).toBe(files.length);
    }),
    { numRuns: 2000 },
  );
});
