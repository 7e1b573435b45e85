import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { interrupted } from '../../src/base/abort.js';
import { exitStatus, OuaError } from '../../src/base/errors.js';
import { runCommandLine } from '../command-line.js';
import { enterPrivateMountNamespace } from '../../src/sandbox/private-mounts.js';
import { engineWorks } from './engine/engine.js';
import { document, table } from './report.js';
import { runWork, type Opener, type WorkResult } from './suite.js';

type WorkName = keyof typeof engineWorks;
const workNames = Object.keys(engineWorks) as WorkName[];

/** Enough for an interval of ±0.03 on most machines. */
const mostPairs = 30;

const started = performance.now();
const seconds = () => (performance.now() - started) / 1000;
const say = (words: string) =>
  process.stderr.write(`bench ${seconds().toFixed(1).padStart(7)} s  ${words}\n`);

/** The works named with commas; all when none is. */
function chosen(only: string): WorkName[] {
  const names = only.split(',').filter((name) => name !== '');
  const unknown = names.find((name) => !(name in engineWorks));
  if (unknown !== undefined)
    throw new OuaError('USAGE', `there is no work '${unknown}'`, `take some of: ${workNames.join(', ')}`);
  return workNames.filter((name) => names.length === 0 || names.includes(name));
}

interface Arguments {
  readonly only: string;
  readonly pairs: number | undefined;
  readonly short: boolean;
  readonly json: boolean;
}

async function engine({ only, pairs, short, json }: Arguments): Promise<void> {
  const names = chosen(only);
  const rounds = pairs ?? (short ? 1 : mostPairs);
  if (!(Number.isInteger(rounds) && rounds > 0))
    throw new OuaError('USAGE', '--pairs is no number of pairs', 'give e.g. --pairs 10');
  // Whatever ends us, our mounts end, too.
  enterPrivateMountNamespace();
  const controller = new AbortController();
  const abort = () => {
    if (controller.signal.aborted) process.exit(exitStatus.interrupted);
    say('ending; once more to end at once');
    controller.abort(interrupted(undefined));
  };
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, abort);
  const works = new Map<string, WorkResult>();
  try {
    for (const name of names) {
      const open = engineWorks[name] as Opener<string>;
      works.set(name, await runWork(name, open, { rounds, short, say, signal: controller.signal }));
    }
  } catch (error) {
    // Whatever broke first when everything was being ended: what counts is why.
    throw controller.signal.aborted ? interrupted(error) : error;
  }
  if (json) process.stdout.write(`${JSON.stringify(await document('engine', works, seconds()), null, 2)}\n`);
  else process.stdout.write(`${table(works)}\n`);
}

const parser = yargs(hideBin(process.argv))
  .scriptName('bench')
  .usage('$0 BENCHMARK\n\nMeasures the program against doing without it and against its peers.')
  .option('json', { type: 'boolean', default: false, describe: 'print one JSON document' })
  .command(
    'engine',
    'the interception engine: apt in the sandbox, make, uname calls, fork and exec',
    (command) =>
      command
        .option('only', { type: 'string', default: '', describe: `some of ${workNames.join(',')}` })
        .option('pairs', { type: 'number', describe: `pairs of runs at most (default: ${mostPairs})` })
        .option('short', {
          type: 'boolean',
          default: false,
          describe: 'small runs, once: shows that it works, not how fast it is',
        }),
    (args) => engine(args),
  )
  .demandCommand(1, 'name a benchmark');

await runCommandLine('bench', parser);
