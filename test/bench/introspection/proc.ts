import { OuaError } from '../../../src/base/errors.js';
import { medianInterval, ratios, samplesOf, type Comparison, type Interval } from '../pairs.js';
import type { Surroundings, Work } from '../work.js';
import { peakFigure } from './lists.js';
import { peakAboveNode, snapshotProgram, type Start } from './ours.js';
import { timeProgram } from './run.js';
import { imageOf, openImages, type Size } from './setup.js';

const starts: readonly Start[] = ['warm', 'cold'];
type Variant = `${Start}-${Size}`;

/** The first snapshot of the whole of /proc that a process takes, as the planner takes it: Node's own start is not in it. */
export async function openProc(around: Surroundings): Promise<Work<Variant>> {
  const { folder, signal } = around;
  const images = await openImages(around);
  const sizes = images.map(({ size }) => size);
  const programOf = (variant: Variant) => {
    const [start, size] = variant.split('-');
    return snapshotProgram(start as Start, imageOf(images, Number(size) as Size));
  };
  const variants = sizes.flatMap((size) => starts.map((start): Variant => `${start}-${size}`));
  const comparisons: Comparison<Variant>[] = [
    ...sizes.map((size): Comparison<Variant> => [`cold-${size}`, `warm-${size}`]),
    ...sizes
      .slice(1)
      .flatMap((size) => starts.map((start): Comparison<Variant> => [`${start}-${size}`, `${start}-512`])),
  ];
  const peaks: number[] = [];
  for (const variant of variants) peaks.push(await peakAboveNode(programOf(variant), folder, signal));
  return {
    variants,
    comparisons,
    run: async (variant) => ({
      seconds: secondsOf((await timeProgram(programOf(variant), folder, signal)).output),
    }),
    figures: (rounds) => {
      const figures: Record<string, Interval> = {};
      for (const variant of variants)
        figures[`proc_${variant.replace('-', '_')}_s`] = medianInterval(
          samplesOf(rounds, variant).map(({ seconds }) => seconds),
        );
      for (const [variant, base] of comparisons)
        if (base.endsWith('-512') && !variant.endsWith('-512'))
          figures[`proc_${variant.split('-')[0]}_growth`] = medianInterval(ratios(rounds, [variant, base]));
      return { ...figures, ...peakFigure(peaks, 'proc') };
    },
    facts: { kernel: images[0]?.profile.release },
  };
}

function secondsOf(output: string): number {
  const { seconds, entries } = JSON.parse(output) as { seconds: number; entries: number };
  if (entries > 20) return seconds;
  throw new OuaError('HOST_FAILED', `a snapshot has ${entries} entries`, 'report this');
}
