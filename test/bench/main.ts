import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { interrupted } from '../../src/base/abort.js';
import { exitStatus, OuaError } from '../../src/base/errors.js';
import { runCommandLine } from '../command-line.js';
import { enterPrivateMountNamespace } from '../../src/sandbox/private-mounts.js';
import { engineWorks } from './engine/engine.js';
import { headlines } from './introspection/headlines.js';
import { introspectionWorks } from './introspection/introspection.js';
import { planWorks } from './plan/plan.js';
import { document, table } from './report.js';
import { runWork, type Opener, type WorkResult } from './suite.js';
import type { Figures } from './work.js';

interface Benchmark {
  readonly describe: string;
  readonly works: Readonly<Record<string, unknown>>;
  /** Pairs of runs at most. */
  readonly pairs: number;
  /** Whether its works mount things. */
  readonly mounts: boolean;
  /** Host programs whose versions matter. */
  readonly tools: readonly string[];
  /** Figures of all works together. */
  readonly headlines?: (figures: Figures) => Figures;
}

const benchmarks: Readonly<Record<string, Benchmark>> = {
  engine: {
    describe: 'the interception engine: apt in the sandbox, make, uname calls, fork and exec',
    works: engineWorks,
    // Enough for an interval of ±0.03 on most machines.
    pairs: 30,
    mounts: true,
    tools: ['strace', 'gcc', 'make', 'runc'],
  },
  introspection: {
    describe: "reading a suspended guest's memory: processes, modules and mounts, and the whole of /proc",
    works: introspectionWorks,
    pairs: 10,
    mounts: false,
    tools: [],
    headlines,
  },
  plan: {
    describe: 'planning an update against doing it in a chroot, and what of it is over with that',
    works: planWorks,
    pairs: 10,
    mounts: true,
    tools: ['runc'],
  },
};

const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const say = (words: string) =>
  process.stderr.write(`bench ${seconds().toFixed(1).padStart(7)} s  ${words}\n`);

/** The works named with commas; all when none is. */
function chosen(works: Benchmark['works'], only: string): string[] {
  const known = Object.keys(works);
  const names = only.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined)
    throw new OuaError('USAGE', `there is no work '${unknown}'`, `take some of: ${known.join(', ')}`);
  return known.filter((name) => names.length === 0 || names.includes(name));
}

interface Arguments {
  readonly only: string;
  readonly pairs: number | undefined;
  readonly short: boolean;
  readonly json: boolean;
}

async function run(name: string, benchmark: Benchmark, args: Arguments): Promise<void> {
  const names = chosen(benchmark.works, args.only);
  const rounds = args.pairs ?? (args.short ? 1 : benchmark.pairs);
  if (!(Number.isInteger(rounds) && rounds > 0))
    throw new OuaError('USAGE', '--pairs is no number of pairs', 'give e.g. --pairs 10');
  // Whatever ends us, our mounts end, too.
  if (benchmark.mounts) enterPrivateMountNamespace();
  const controller = new AbortController();
  const abort = () => {
    if (controller.signal.aborted) process.exit(exitStatus.interrupted);
    say('ending; once more to end at once');
    controller.abort(interrupted(undefined));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, abort);
  const works = new Map<string, WorkResult>();
  const { short } = args;
  try {
    for (const work of names) {
      const open = benchmark.works[work] as Opener<string>;
      works.set(work, await runWork(work, open, { rounds, short, say, signal: controller.signal }));
    }
  } catch (error) {
    // Whatever broke first when everything was being ended: what counts is why.
    throw controller.signal.aborted ? interrupted(error) : error;
  }
  if (benchmark.headlines) {
    const all = Object.assign({}, ...[...works.values()].map(({ figures }) => figures)) as Figures;
    works.set('all together', { figures: benchmark.headlines(all), facts: {}, rounds: [] });
  }
  const text = args.json
    ? JSON.stringify(await document(name, works, seconds(), benchmark.tools), null, 2)
    : table(works);
  process.stdout.write(`${text}\n`);
}

let parser = yargs(hideBin(process.argv))
  .scriptName('bench')
  .usage('$0 BENCHMARK\n\nMeasures the program against doing without it and against its peers.')
  .option('json', { type: 'boolean', default: false, describe: 'print one JSON document' });
for (const [name, benchmark] of Object.entries(benchmarks))
  parser = parser.command(
    name,
    benchmark.describe,
    (command) =>
      command
        .option('only', {
          type: 'string',
          default: '',
          describe: `some of ${Object.keys(benchmark.works).join(',')}`,
        })
        .option('pairs', { type: 'number', describe: `pairs of runs at most (default: ${benchmark.pairs})` })
        .option('short', {
          type: 'boolean',
          default: false,
          describe: 'small runs, once: shows that it works, not how fast it is',
        }),
    (args) => run(name, benchmark, args),
  );

await runCommandLine('bench', parser.demandCommand(1, 'name a benchmark'));
