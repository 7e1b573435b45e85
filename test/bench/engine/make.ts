import { medianInterval, ratios, repetitions } from '../pairs.js';
import { wantedSeconds, type Surroundings, type Work } from '../work.js';
import { writePrograms } from './sources.js';
import { runUnder } from './tracers.js';

const variants = ['plain', 'ours'] as const;
type Variant = (typeof variants)[number];

const programs = 24;
const shortPrograms = 2;

/** `make -j2` of a set of small C programs, from a clean tree, as often as it takes. */
export async function openMake({ folder, short, signal }: Surroundings): Promise<Work<Variant>> {
  const count = short ? shortPrograms : programs;
  await writePrograms(folder, count);
  const runOf = (variant: Variant, times: number) => {
    const script = `cd "$1"; for i in $(seq ${times}); do make -s clean && make -s -j2 || exit 1; done`;
    const argv = ['sh', '-c', script, 'sh', folder];
    return runUnder(variant, { argv, armed: 'at-once', signal });
  };
  // The first one reads the compiler from the disk.
  await runOf('plain', 1);
  const times = short ? 1 : repetitions((await runOf('plain', 1)).seconds, wantedSeconds);
  return {
    variants,
    comparisons: [['ours', 'plain']],
    run: (variant) => runOf(variant, times),
    figures: (rounds) => ({ make_ratio: medianInterval(ratios(rounds, ['ours', 'plain'])) }),
    facts: { programs: count, times },
  };
}
