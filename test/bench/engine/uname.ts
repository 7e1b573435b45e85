import { medianInterval, ratios, repetitions, samplesOf } from '../pairs.js';
import { wantedSeconds, type Surroundings, type Work } from '../work.js';
import { compile, lastProcessor, timed } from './programs.js';
import { runUnder } from './tracers.js';

const variants = ['floor', 'ours'] as const;
type Variant = (typeof variants)[number];

const calls = 100_000;
const shortCalls = 2_000;

/**
 * 100,000 uname calls, as often as it takes: our engine against the smallest program that answers them likewise.
 *
 * Both run on one processor. A stop costs two switches between tracee and tracer; where the scheduler puts them
 * on two processors each costs an interrupt as well, for one run and not for the next, whoever traces.
 */
export async function openUname({ folder, short, signal }: Surroundings): Promise<Work<Variant>> {
  const caller = await compile('uname-calls', folder);
  const floor = await compile('floor', folder);
  const processor = lastProcessor();
  const runOf = async (variant: Variant, count: number) => {
    const argv = [...(variant === 'floor' ? [floor] : []), caller, String(count)];
    const tracer = variant === 'floor' ? 'plain' : 'ours';
    return timed(await runUnder(tracer, { argv, armed: 'at-once', processor, signal }));
  };
  const times = short ? 1 : repetitions((await runOf('floor', calls)).seconds, wantedSeconds);
  const count = short ? shortCalls : calls * times;
  return {
    variants,
    comparisons: [['ours', 'floor']],
    run: (variant) => runOf(variant, count),
    figures: (rounds) => ({
      uname_us: medianInterval(samplesOf(rounds, 'ours').map(({ seconds }) => (seconds / count) * 1e6)),
      uname_vs_floor: medianInterval(ratios(rounds, ['ours', 'floor'])),
    }),
    facts: { calls: count },
  };
}
