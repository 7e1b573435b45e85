import { headlines } from './headlines.js';

const interval = (median: number) => ({ median, low: median - 0.1, high: median + 0.1 });

test('each headline is the worst of its kind, and what was not measured is left out', () => {
  expect(
    headlines({
      ps_warm_speedup_vs_drgn_512: interval(1.4),
      ps_warm_speedup_vs_drgn_5120: interval(1.1),
      all_warm_speedup_vs_drgn_512: interval(1.9),
      ps_warm_growth: interval(1.2),
      proc_cold_growth: interval(1.3),
      proc_warm_512_s: interval(0.1),
      proc_warm_5120_s: interval(0.3),
      ps_peak_mib: interval(60),
      proc_peak_mib: interval(80),
    }),
  ).toEqual({
    warm_speedup_vs_drgn: interval(1.1),
    proc_warm_s: interval(0.1),
    growth_5g: interval(1.3),
    peak_mib: interval(80),
  });
});
