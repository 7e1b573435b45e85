import { medianInterval, repetitions, samplesOf } from '../pairs.js';
import { wantedSeconds, type Surroundings, type Work } from '../work.js';
import { compile, timed } from './programs.js';
import { runUnder } from './tracers.js';

const variants = ['ours', 'strace-bpf', 'plain'] as const;
type Variant = (typeof variants)[number];

const programs = 20_000;
const shortPrograms = 200;

/** 20,000 times fork and exec of the smallest program, one after the other, as often as it takes. */
export async function openForkExec({ folder, short, signal }: Surroundings): Promise<Work<Variant>> {
  const loop = await compile('fork-exec', folder);
  const nothing = await compile('nothing', folder, ['-nostdlib', '-ffreestanding']);
  const runOf = async (variant: Variant, count: number) => {
    const argv = [loop, String(count), nothing];
    return timed(await runUnder(variant, { argv, armed: 'at-once', signal }));
  };
  const times = short ? 1 : repetitions((await runOf('plain', programs)).seconds, wantedSeconds);
  const count = short ? shortPrograms : programs * times;
  return {
    variants,
    comparisons: [['ours', 'strace-bpf']],
    run: (variant) => runOf(variant, count),
    figures: (rounds) => {
      const cost = (variant: Variant) =>
        medianInterval(samplesOf(rounds, variant).map(({ seconds }) => (seconds / count) * 1e6));
      return { forkexec_us: cost('ours'), forkexec_strace_bpf_us: cost('strace-bpf') };
    },
    facts: { programs: count },
  };
}
