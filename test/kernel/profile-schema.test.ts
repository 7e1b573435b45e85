import fc from 'fast-check';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { profileJsonSchema, profileSchema } from '../../src/kernel/profile-schema.js';
import { profileFault } from '../../src/kernel/profile-shape.js';
import { shippedProfiles } from '../../src/kernel/profile.js';

test('the published schema is that of the profiles (npm run pages)', () => {
  const published: unknown = JSON.parse(readFileSync(join(shippedProfiles, 'profile.schema.json'), 'utf8'));
  expect(published).toEqual(profileJsonSchema());
  expect(published).toMatchObject({
    properties: { formatVersion: { const: 1 }, architecture: { enum: ['x86-64', 'aarch64'] } },
    additionalProperties: false,
  });
});

describe('the schema and what the program itself checks', () => {
  const good = {
    formatVersion: 1,
    architecture: 'x86-64',
    digest: 'a'.repeat(64),
    release: '6.1.0-test',
    banner: 'Linux version 6.1.0-test (a@b) (gcc) #1 SMP test\n',
    buildId: '0011223344556677',
    reader: '0123456789abcdef',
    symbols: { _text: '0xffffffff81000000' },
    enums: { NR_FREE_PAGES: 0 },
    structs: { task_struct: { size: 9000, members: { pid: [2416, 4], flag: [8, 4, 3, 1] } } },
  };
  const agree = (document: unknown) => {
    const result = profileSchema.safeParse(document);
    const fault = profileFault(document);
    expect(fault === undefined).toBe(result.success);
    return fault?.join('.');
  };

  test('take the same documents', () => {
    expect(agree(good)).toBeUndefined();
    expect(agree({ ...good, buildId: null })).toBeUndefined();
    const { reader, ...without } = good;
    expect(reader).toBeDefined();
    expect(agree(without)).toBeUndefined();
  });

  test('name what is wrong', () => {
    expect(agree({ ...good, extra: 1 })).toBe('extra');
    expect(agree({ ...good, structs: { page: { size: 1, members: { flags: [0, 1, 2] } } } })).toBe(
      'structs.page.members.flags',
    );
    expect(agree({ ...good, symbols: { a: '0xg' } })).toBe('symbols.a');
    expect(agree([good])).toBe('');
    expect(agree(null)).toBe('');
  });

  test('agree on a document with any value in any place', () => {
    const paths = pathsOf(good);
    const value = fc.oneof(
      fc.jsonValue({ maxDepth: 2 }),
      fc.integer({ min: -2, max: 2 ** 18 + 2 }),
      fc.double(),
      fc.stringMatching(/^(0x)?[0-9a-f]{0,70}$/),
      fc.array(fc.integer({ min: -1, max: 2 ** 18 + 1 }), { maxLength: 5 }),
      fc.constant(undefined),
    );
    fc.assert(
      fc.property(fc.constantFrom(...paths), value, (path, other) => {
        agree(replaced(good, path, other));
      }),
      { numRuns: 2000 },
    );
  });
});

type Path = readonly string[];

/** The path to each value of a document, and in each object one more. */
function pathsOf(value: unknown): Path[] {
  if (value === null || typeof value !== 'object') return [[]];
  const inner = Object.entries(value).flatMap(([key, each]) => pathsOf(each).map((path) => [key, ...path]));
  return [[], ...inner, ...(Array.isArray(value) ? [] : [['other']])];
}

/** The document with another value in one place; undefined takes it away. */
function replaced(value: unknown, [key, ...rest]: Path, other: unknown): unknown {
  if (key === undefined) return other;
  const copy = (Array.isArray(value) ? [...(value as unknown[])] : { ...(value as object) }) as Record<
    string,
    unknown
  >;
  const inner = replaced(copy[key], rest, other);
  if (inner === undefined && !Array.isArray(copy)) delete copy[key];
  else copy[key] = inner;
  return copy;
}
