import fc from 'fast-check';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  formatProfile,
  listProfiles,
  parseProfile,
  readProfile,
  sealProfile,
  shippedProfiles,
  writeProfile,
} from '../../src/kernel/profile.js';
import { codeOf } from '../error-code.js';

const profile = sealProfile({
  formatVersion: 1,
  architecture: 'x86-64',
  release: '6.1.0-test',
  banner: 'Linux version 6.1.0-test (a@b) (gcc) #1 SMP test\n',
  buildId: '00112233445566778899aabbccddeeff00112233',
  symbols: { _text: '0xffffffff81000000', runqueues: '0x31980' },
  enums: { NR_FREE_PAGES: 0 },
  structs: { task_struct: { size: 9000, members: { pid: [2416, 4], flag: [8, 4, 3, 1] } } },
});

describe('profile files', () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'ouassister-profile-'));
  });

  afterEach(() => rmSync(folder, { recursive: true }));

  test('are read as they were written', () => {
    const path = writeProfile(folder, profile);
    expect(path).toMatch(/\/6\.1\.0-test-[0-9a-f]{12}\.json$/);
    expect(readProfile(path)).toEqual(profile);
    expect(listProfiles(folder)).toEqual([{ path, profile }]);
  });

  test('the digest does not depend on the order of the keys', () => {
    const { symbols, ...rest } = profile;
    const reordered = { symbols: Object.fromEntries(Object.entries(symbols).reverse()), ...rest };
    expect(parseProfile('x', Buffer.from(JSON.stringify(reordered)))).toEqual(profile);
  });

  test('one that is newer, absent or no profile is told', () => {
    expect(codeOf(() => readProfile(join(folder, 'nothing.json')))).toBe('FILE_MISSING');
    expect(codeOf(() => listProfiles(join(folder, 'nothing')))).toBe('FILE_MISSING');
    const path = join(folder, 'x.json');
    writeFileSync(path, JSON.stringify({ ...profile, formatVersion: 99 }));
    expect(() => readProfile(path)).toThrow(/newer format version 99/);
    writeFileSync(path, JSON.stringify({ ...profile, extra: 1 }));
    expect(codeOf(() => readProfile(path))).toBe('PROFILE_INVALID');
  });

  test('any damage is noticed', () => {
    const text = Buffer.from(formatProfile(profile));
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const damaged = Buffer.from(text);
        damaged[at] = (damaged[at] ?? 0) ^ flip;
        let read;
        try {
          read = parseProfile('x', damaged);
        } catch (error) {
          expect(error).toMatchObject({ code: 'PROFILE_INVALID' });
          return;
        }
        // White space may change.
        expect(read).toEqual(profile);
      }),
      { numRuns: 1000 },
    );
    for (let length = 0; length < text.length - 2; length += 7)
      expect(codeOf(() => parseProfile('x', text.subarray(0, length)))).toBe('PROFILE_INVALID');
  });
});

test('the shipped profiles are whole', () => {
  expect(listProfiles(shippedProfiles).length).toBeGreaterThan(0);
});
