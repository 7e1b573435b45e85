import { cpus, release } from 'node:os';
import { tool } from '../lab/tools.js';
import type { Interval } from './pairs.js';
import type { WorkResult } from './suite.js';

/** Four digits say all that such a measurement knows. */
const rounded = (value: number) => Number(value.toPrecision(4));

/** `key`, `key_low` and `key_high` of each figure. */
export function flatFigures(works: readonly WorkResult[]): Record<string, number> {
  const figures: Record<string, number> = {};
  for (const { figures: own } of works)
    for (const [key, { median, low, high }] of Object.entries(own)) {
      figures[key] = rounded(median);
      figures[`${key}_low`] = rounded(low);
      figures[`${key}_high`] = rounded(high);
    }
  return figures;
}

/** The one document of a `--json` run. */
export async function document(
  benchmark: string,
  works: ReadonlyMap<string, WorkResult>,
  seconds: number,
  tools: readonly string[],
) {
  const entries = [...works];
  return {
    schemaVersion: '1.0',
    benchmark,
    machine: { kernel: release(), cpus: cpus().length, cpu: cpus()[0]?.model ?? '', node: process.version },
    tools: await versions(tools),
    seconds: rounded(seconds),
    figures: flatFigures([...works.values()]),
    facts: Object.fromEntries(entries.map(([name, { facts }]) => [name, facts])),
    counts: Object.fromEntries(entries.map(([name, { rounds }]) => [name, lastCounts(rounds)])),
    pairs: Object.fromEntries(
      entries.map(([name, { rounds }]) => [
        name,
        rounds.map((round) =>
          Object.fromEntries(
            Object.entries(round).map(([variant, sample]) => [variant, rounded(sample?.seconds ?? NaN)]),
          ),
        ),
      ]),
    ),
  };
}

/** What each tracer that counts said of its last run. */
function lastCounts(rounds: WorkResult['rounds']): Record<string, object> {
  const counts = rounds
    .flatMap((round) => Object.entries(round))
    .flatMap(([variant, sample]) => (sample?.counts ? [[variant, sample.counts] as const] : []));
  return Object.fromEntries(counts);
}

async function versions(tools: readonly string[]): Promise<Record<string, string>> {
  const words = await Promise.all(
    tools.map(async (name) => [name, (await tool(name, ['--version'])).split('\n')[0]!] as const),
  );
  return Object.fromEntries(words);
}

/** A table for people. */
export function table(works: ReadonlyMap<string, WorkResult>): string {
  const number = (value: number) => String(rounded(value));
  const line = (key: string, { median, low, high }: Interval) =>
    `${key.padEnd(24)}${number(median).padStart(8)}   [${number(low)}, ${number(high)}]`;
  return [...works.values()]
    .flatMap(({ figures }) => Object.entries(figures).map(([key, interval]) => line(key, interval)))
    .join('\n');
}
