import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { OuaError } from '../../../../src/base/errors.js';
import {
  changedQuestions,
  checkSelections,
  readQuestions,
} from '../../../../src/planner/package-managers/dpkg/debconf.js';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'oua-debconf-'));
  mkdirSync(join(root, 'var/cache/debconf'), { recursive: true });
  const file = (name: string, more: string) =>
    `Name: ${name}\nDriver: File\nMode: 600\nBackup: false\nFilename: ${root}/var/cache/debconf/${name}.dat\n${more}\n`;
  writeFileSync(
    join(root, 'debconf.conf'),
    `Config: stack\nTemplates: templates\n\n${file('config', 'Reject-Type: password\n')}` +
      `${file('passwords', 'Accept-Type: password\n')}Name: stack\nDriver: Stack\nStack: config, passwords\n\n` +
      file('templates', ''),
  );
});
afterEach(() => rmSync(root, { recursive: true }));

/** The system's debconf, on databases in the tree. */
function selections(text: string, ...options: string[]): number | null {
  return spawnSync('debconf-set-selections', options, {
    input: text,
    env: { PATH: process.env['PATH'], DEBCONF_SYSTEMRC: join(root, 'debconf.conf'), LC_ALL: 'C.UTF-8' },
  }).status;
}

test('what debconf has been told is told, but for passwords', () => {
  expect(selections('app app/port string 80\nold old/kept string 1\n')).toBe(0);
  const before = readQuestions(root);
  const answers = [
    'app app/port string 8080',
    'app app/secret password hunter2',
    'app app/on boolean true',
    'app app/many multiselect a, b',
    'lib app/on boolean true',
    'app app/empty string',
    'app app/on seen false',
  ];
  expect(selections(`${answers.join('\n')}\n`)).toBe(0);
  const questions = changedQuestions(root, before);
  const owners = ['app'];
  expect(questions).toEqual([
    { name: 'app/empty', type: 'string', value: '', withheld: false, seen: true, owners },
    { name: 'app/many', type: 'multiselect', value: 'a, b', withheld: false, seen: true, owners },
    { name: 'app/on', type: 'boolean', value: 'true', withheld: false, seen: false, owners: ['app', 'lib'] },
    { name: 'app/port', type: 'string', value: '8080', withheld: false, seen: true, owners },
    { name: 'app/secret', type: 'password', value: undefined, withheld: true, seen: true, owners },
  ]);
  expect(JSON.stringify(questions)).not.toContain('hunter2');
  expect(changedQuestions(root, readQuestions(root))).toEqual([]);
});

test('what was not answered has the default of its template, and what has no type is withheld', () => {
  const write = (name: string, text: string) =>
    writeFileSync(join(root, `var/cache/debconf/${name}.dat`), text);
  write('templates', 'Name: a/template\nType: select\nDefault: one\\ntwo\nDescription: x: y\n\n');
  write(
    'config',
    'Name: a/question\nTemplate: a/template\nOwners: a\n\nName: a/odd\nTemplate: a/none\nValue: secret\n\n',
  );
  write('passwords', 'Name: a/pass\nTemplate: a/template\nValue: secret\n\n');
  const before = { config: new Map<string, string>(), passwords: new Map<string, string>() };
  const withheld = { withheld: true, value: undefined, seen: false, owners: [] };
  expect(changedQuestions(root, before)).toEqual([
    { name: 'a/odd', type: undefined, ...withheld },
    { name: 'a/pass', type: 'select', ...withheld },
    {
      ...{ name: 'a/question', type: 'select', value: 'one\\ntwo', withheld: false },
      ...{ seen: false, owners: ['a'] },
    },
  ]);
});

test('a guest without debconf has no questions', () => {
  rmSync(join(root, 'var'), { recursive: true });
  expect(changedQuestions(root, readQuestions(root))).toEqual([]);
});

describe('answers', () => {
  const noType =
    'its third word is no type (string, select, multiselect, password, text, note, title, boolean, seen)';
  const fault = (text: string) => {
    try {
      checkSelections(text, 'answers');
      return 'none';
    } catch (error) {
      if (!(error instanceof OuaError)) throw error;
      expect(error.code).toBe('USAGE');
      return error.message;
    }
  };

  test.each([
    ['', 'none'],
    ['# a comment\n\n  \n a b string\n', 'none'],
    ['a b string some words # and more', 'none'],
    ['a b multiselect one, \\\n  two\na b seen true\r\n', 'none'],
    ['a b\n', 'answers, line 1: an owner, a question and a type are wanted'],
    ['# one\na b string x\\\ny\nc d strnig hunter2\n', `answers, line 4: ${noType}`],
    ['app/secret password hunter2\n', `answers, line 1: ${noType}`],
    ['a b boolean yes', 'answers, line 1: its fourth word is neither true nor false'],
    ['a b seen', 'answers, line 1: its fourth word is neither true nor false'],
    ['a b toString x', `answers, line 1: ${noType}`],
    ['a b string \0', 'answers, line 1: there is a NUL in it'],
  ])('%j: %s', (text, expected) => expect(fault(text)).toBe(expected));

  test('that are right are right for debconf, too', () => {
    const word = fc.stringMatching(/^[a-z][a-z/-]{0,8}$/);
    const type = fc.constantFrom(
      'string',
      'select',
      'multiselect',
      'password',
      'text',
      'note',
      'title',
      'odd',
    );
    const line = fc.oneof(
      fc.tuple(word, word, type, fc.stringMatching(/^[ -~]{0,20}$/)).map((words) => words.join(' ')),
      fc.constantFrom(
        '',
        '# comment',
        'a',
        'a b boolean true',
        'a b boolean maybe',
        ' ',
        '\\',
        'a b string x\\',
      ),
    );
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        const text = `${lines.join('\n')}\n`;
        const known = fault(text) === 'none';
        if (known) expect(selections(text, '--checkonly')).toBe(0);
      }),
      { numRuns: 25 },
    );
  });
});
