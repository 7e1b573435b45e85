import { fileURLToPath } from 'node:url';
import { Workbench } from '../../cli/support.js';

/** Looks that the benchmark of our own part runs and says what it should; the peers' debug symbols are large. */
test('a short run gives the figures of /proc', async () => {
  using bench = new Workbench(fileURLToPath(new URL('../main.js', import.meta.url)));
  const { figures } = await bench.document<{ figures: Record<string, number> }>(
    ...['introspection', '--short', '--only', 'proc', '--json'],
  );
  for (const key of ['proc_cold_s', 'proc_warm_s', 'proc_cold_512_s', 'proc_warm_512_s', 'peak_mib'])
    expect(figures[key]).toBeGreaterThan(0);
  expect(bench.leftovers()).toEqual([]);
});
