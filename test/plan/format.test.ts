import { fileURLToPath } from 'node:url';
import { PlanReader } from '../../src/plan/reader.js';
import { readPlan, refusal, samplePlan } from './sample.js';

/** Frozen files: they are never written again, so that a change of the format can't go unnoticed. */
const fixture = (name: string): string =>
  fileURLToPath(new URL(`../../../test/plan/fixtures/${name}`, import.meta.url));

test('a plan of format 1 is read as it was meant', () => {
  using reader = PlanReader.open(fixture('format-1.sqlite'));
  expect(readPlan(reader, samplePlan.contents)).toEqual(samplePlan);
});

test('a plan from the future is refused by its number', () => {
  expect(refusal(() => PlanReader.open(fixture('format-99.sqlite')))).toBe('PLAN_NEWER');
});
