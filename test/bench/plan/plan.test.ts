import { fileURLToPath } from 'node:url';
import { Workbench } from '../../cli/support.js';

interface Document {
  readonly figures: Readonly<Record<string, number>>;
  readonly pairs: Readonly<Record<string, readonly Readonly<Record<string, number>>[]>>;
  readonly counts: { readonly nginx: { readonly ours: Readonly<Record<string, number>> } };
  readonly facts: {
    readonly nginx: { readonly packages: readonly string[] };
    readonly offline: { readonly failed: readonly string[] };
  };
}

/** Looks that the benchmark runs, says what it should and leaves nothing. How fast anything is, is not looked at. */
test('a short run gives every figure', async () => {
  using bench = new Workbench(fileURLToPath(new URL('../main.js', import.meta.url)));
  const document = await bench.document<Document>('plan', '--short', '--json');
  const keys = ['nginx', 'upgrade60'].flatMap((name) => [
    `${name}_ratio`,
    `${name}_plan_s`,
    `${name}_chroot_s`,
  ]);
  for (const key of [...keys, 'offline_share_install', 'offline_share_all']) {
    expect(document.figures[key]).toBeGreaterThan(0);
    expect(document.figures[`${key}_low`]).toBeLessThanOrEqual(document.figures[key]!);
    expect(document.figures[`${key}_high`]).toBeGreaterThanOrEqual(document.figures[key]!);
  }
  expect(document.figures['offline_share_all']).toBeLessThanOrEqual(1);
  for (const name of ['nginx', 'upgrade60'])
    expect(document.pairs[name]!.map((round) => Object.keys(round).sort())).toEqual([['ours', 'plain']]);
  expect(Object.keys(document.counts.nginx.ours)).toEqual(
    ['memory', 'disk', 'shadow', 'update', 'finish'].map((phase) => `${phase}Ms`),
  );
  expect(document.facts.nginx.packages.join()).toMatch(/^less amd64 \S+\+lab1$/);
  expect(document.facts.offline.failed).toEqual([]);
  expect(bench.leftovers()).toEqual([]);
});
