import { readFileSync } from 'node:fs';
import { syscallEntries } from '../../src/tracer/listing.js';
import { syscallsPage } from '../../src/tracer/page.js';
import type { Condition } from '../../src/tracer/row.js';
import { syscalls } from '../../src/tracer/syscalls.js';

test('docs/syscalls.md is what the table says; write it anew with npm run pages', () => {
  const page = readFileSync(new URL('../../../docs/syscalls.md', import.meta.url), 'utf8');
  expect(page).toBe(syscallsPage(syscallEntries()));
});

test('every row is on the page, with its numbers', () => {
  const lines = syscallsPage(syscallEntries()).split('\n');
  for (const { name } of syscalls)
    expect(lines.filter((line) => line.startsWith(`| \`${name}\``)).length).toBeGreaterThan(1);
});

describe('an entry', () => {
  const whenOf = (condition: Condition) => syscallEntries([{ ...syscalls[0]!, when: [condition] }])[0]?.when;

  test.each([
    [{ argument: 0, is: 'notEqual', value: 0 }, 'argument 0 is not 0'],
    [{ argument: 1, is: 'equal', value: 0xffff_ffff }, 'argument 1 is 0xffffffff'],
    [{ argument: 2, is: 'anyBitOf', value: 0x241 }, 'argument 2 has any bit of 0x241'],
    [
      { argument: 2, is: 'anyBitOf', value: 3, means: 'flags has O_WRONLY|O_RDWR' },
      'flags has O_WRONLY|O_RDWR',
    ],
  ] as const)('says %j as %s', (condition, words) => expect(whenOf(condition)).toEqual([words]));

  test('names the errno of a refusal and the numbers of every ABI', () => {
    expect(syscallEntries().find(({ name }) => name === 'ptrace')).toMatchObject({
      answeredBy: 'EPERM',
      stops: 'never',
      support: 'refused',
      numbers: { x86_64: 101, x32: 521, i386: 26, aarch64: 117 },
    });
    expect(syscallEntries().find(({ name }) => name === 'olduname')?.numbers).toEqual({
      x86_64: null,
      x32: null,
      i386: 109,
      aarch64: null,
    });
  });
});
