import fc from 'fast-check';
import { parseOptions } from '../../../src/planner/live/options.js';

const valued = new Set(['property', 'p', 't']);
const parse = (...words: string[]) => {
  const { options, words: rest } = parseOptions(['program', ...words], valued);
  return [Object.fromEntries(options), rest];
};

test.each([
  [
    ['show', '-p', 'Id', 'cron'],
    [{ p: 'Id' }, ['show', 'cron']],
  ],
  [
    ['-pId', '--property=Names', 'show'],
    [{ p: 'Id', property: 'Names' }, ['show']],
  ],
  [
    ['-p', 'A', '-p', 'B'],
    [{ p: 'A,B' }, []],
  ],
  [
    ['-qt', 'service', '--now'],
    [{ q: '', t: 'service', now: '' }, []],
  ],
  [
    ['--', '-p', 'x'],
    [{}, ['-p', 'x']],
  ],
  [
    ['-', 'a=b'],
    [{}, ['-', 'a=b']],
  ],
  [['--property'], [{ property: '' }, []]],
])('%j', (words, expected) => {
  expect(parse(...words)).toEqual(expected);
});

test('every word that is no option is kept, in order', () => {
  fc.assert(
    fc.property(fc.array(fc.string({ minLength: 1 }).filter((word) => !word.startsWith('-'))), (words) => {
      expect(parse(...words)).toEqual([{}, words]);
      expect(parse('--', ...words)).toEqual([{}, words]);
    }),
  );
});
