import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import Database from 'better-sqlite3';
import fc from 'fast-check';
import { OuaError } from '../../src/base/errors.js';
import { PlanReader } from '../../src/plan/reader.js';
import { readPlan, refusal, samplePlan, writePlan } from './sample.js';

let folder: string;
let sound: string;
let file: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oua-damage-'));
  sound = join(folder, 'sound');
  file = join(folder, 'file');
  await writePlan(sound, samplePlan);
});
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => copyFileSync(sound, file));

/** Opens and reads everything: the sample, or the code of the refusal. Anything else fails the test. */
function readAll(): string {
  try {
    using reader = PlanReader.open(file);
    return isDeepStrictEqual(readPlan(reader, samplePlan.contents), samplePlan) ? 'right' : 'WRONG';
  } catch (error) {
    if (error instanceof OuaError) return error.code;
    throw error;
  }
}

const allowed = ['right', 'PLAN_DAMAGED', 'PLAN_NEWER', 'PLAN_INCOMPLETE'];

describe('a damaged plan', () => {
  test('is refused or read right, whichever bytes are flipped', () => {
    const bytes = readFileSync(sound);
    const seen = new Set<string>();
    const flip = fc.record({ at: fc.nat(bytes.length - 1), bits: fc.integer({ min: 1, max: 255 }) });
    fc.assert(
      fc.property(fc.array(flip, { minLength: 1, maxLength: 3 }), (flips) => {
        const copy = Buffer.from(bytes);
        for (const { at, bits } of flips) copy.writeUInt8(copy.readUInt8(at) ^ bits, at);
        writeFileSync(file, copy);
        const outcome = readAll();
        seen.add(outcome);
        expect(allowed).toContain(outcome);
      }),
      { numRuns: 1500 },
    );
    expect(seen).toContain('PLAN_DAMAGED');
  });

  test('is refused wherever a value that it holds is flipped', () => {
    const bytes = readFileSync(sound);
    for (const word of ['/opt/site/page', 'libsite1', 'configure', '2:1.0~rc1-1', 'guest', 'no play'])
      for (let at = bytes.indexOf(word); at >= 0; at = bytes.indexOf(word, at + 1)) {
        const copy = Buffer.from(bytes);
        copy.writeUInt8(copy.readUInt8(at + 1) ^ 1, at + 1);
        writeFileSync(file, copy);
        expect(allowed.slice(1)).toContain(readAll());
      }
  });

  test('is refused when it is cut off anywhere', () => {
    const { length } = readFileSync(sound);
    for (let size = 0; size < length; size += 997) {
      copyFileSync(sound, file);
      truncateSync(file, size);
      expect(readAll()).toBe('PLAN_DAMAGED');
    }
  });

  test.each([
    ['another value', `UPDATE script_call SET package = 'other'`],
    ['a missing row', 'DELETE FROM note'],
    ['a missing content', 'DELETE FROM content_chunk'],
    ['another content', `UPDATE content_chunk SET encoding = 'plain', bytes = x'00'`],
    ['a trigger', 'CREATE TRIGGER t AFTER DELETE ON note BEGIN SELECT 1; END'],
    ['a view', 'CREATE VIEW v AS SELECT 1'],
    ['a dangling reference', 'PRAGMA foreign_keys = OFF; DELETE FROM command'],
    ['another application id', 'PRAGMA application_id = 1'],
    ['no version', 'PRAGMA user_version = 0'],
  ])('with %s is refused', (_, change) => {
    const database = new Database(file);
    database.exec(change);
    database.close();
    expect(readAll()).toBe('PLAN_DAMAGED');
  });

  test('that is no plan at all is refused', () => {
    writeFileSync(file, '');
    expect(refusal(() => PlanReader.open(file))).toBe('PLAN_DAMAGED');
    writeFileSync(file, Buffer.alloc(8192, 'hello'));
    expect(refusal(() => PlanReader.open(file))).toBe('PLAN_DAMAGED');
    expect(refusal(() => PlanReader.open(folder))).toBe('PLAN_DAMAGED');
    expect(refusal(() => PlanReader.open(join(folder, 'none')))).toBe('FILE_MISSING');
  });
});

test('what a killed writer leaves is refused as incomplete', () => {
  const place = mkdtempSync(join(folder, 'killed-'));
  const script =
    `const { PlanWriter } = await import(${JSON.stringify(new URL('../../src/plan/writer.js', import.meta.url).href)});` +
    `const writer = PlanWriter.create(${JSON.stringify(join(place, 'plan'))}, ${JSON.stringify(samplePlan.header)});` +
    `for (let n = 0; n < 30000; n++) writer.note({ code: 'N', text: String(n) });` +
    `process.kill(process.pid, 'SIGKILL');`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script]);
  expect(result.signal).toBe('SIGKILL');
  const partial = readdirSync(place).find((name) => name.endsWith('.partial'));
  expect(partial).toBeDefined();
  expect(readdirSync(place)).not.toContain('plan');
  expect(refusal(() => PlanReader.open(join(place, partial!)))).toBe('PLAN_INCOMPLETE');
});
