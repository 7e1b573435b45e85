import type { Interval } from '../pairs.js';
import type { Figures } from '../work.js';

/** The figures that the others are summed up in, each the worst of its kind: key → which, and what is worse. */
const rows: readonly (readonly [key: string, of: RegExp, worse: 'less' | 'more'])[] = [
  ['warm_speedup_vs_drgn', /_warm_speedup_vs_drgn_\d+$/, 'less'],
  ['cold_speedup_vs_crash', /_cold_speedup_vs_crash_\d+$/, 'less'],
  ['proc_cold_s', /^proc_cold_512_s$/, 'more'],
  ['proc_warm_s', /^proc_warm_512_s$/, 'more'],
  ['growth_5g', /_growth$/, 'more'],
  ['peak_mib', /_peak_mib$/, 'more'],
];

/** What the benchmark comes to. A key without a figure, because its works were not run, is left out. */
export function headlines(figures: Figures): Figures {
  const found: Record<string, Interval> = {};
  for (const [key, of, worse] of rows) {
    const candidates = Object.entries(figures)
      .filter(([name]) => of.test(name))
      .map(([, interval]) => interval)
      .sort((a, b) => a.median - b.median);
    const worst = worse === 'less' ? candidates[0] : candidates.at(-1);
    if (worst) found[key] = worst;
  }
  return found;
}
