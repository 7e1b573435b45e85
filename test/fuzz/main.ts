import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { exitStatus, OuaError } from '../../src/base/errors.js';
import { runCommandLine } from '../command-line.js';
import { suspendedGuest } from '../lab/suspended.js';
import { Rounds } from './memory/round.js';
import { Summary } from './memory/summary.js';
import { supervise } from './memory/supervise.js';

/** What the program promises for any image: an answer or a refusal within this time. */
const patienceMs = 10_000;
const startMs = 120_000;
const mostWorkers = 4;
const worker = fileURLToPath(new URL('memory/worker.js', import.meta.url));
const say = (words: string) => process.stderr.write(`fuzz  ${words}\n`);

interface Arguments {
  readonly seconds: number;
  readonly seed: number;
  readonly mutations: number | undefined;
  readonly number: number | undefined;
  readonly json: boolean;
}

async function memory(args: Arguments): Promise<void> {
  for (const name of ['seconds', 'seed', 'mutations', 'number'] as const)
    if (args[name] !== undefined && !(Number.isFinite(args[name]) && args[name] >= 0))
      throw new OuaError('USAGE', `--${name} is no number`, 'give e.g. --seed 7 --number 1234');
  const guest = await suspendedGuest({}, say);
  if (args.number === undefined) await fuzz(guest.memory, args);
  else await again(guest.memory, args.seed, args.number);
}

async function fuzz(image: string, { seconds, seed, mutations, json }: Arguments): Promise<void> {
  const controller = new AbortController();
  const abort = () => controller.abort();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, abort);
  const summary = new Summary();
  const started = Date.now();
  const step = Math.min(mostWorkers, availableParallelism());
  const limits =
    mutations === undefined
      ? { to: Number.MAX_SAFE_INTEGER, until: started + seconds * 1000 }
      : { to: mutations, until: Number.MAX_SAFE_INTEGER };
  const ticker = setInterval(() => say(JSON.stringify(summary.figures)), 10_000);
  let stopped: boolean;
  try {
    await Promise.all(
      Array.from({ length: step }, (_, from) =>
        supervise({
          command: [process.execPath, worker],
          job: { image, seed, from, step, ...limits },
          patienceMs,
          startMs,
          signal: controller.signal,
          onRound: (round, peakBytes) => summary.addRound(round, peakBytes),
          onHang: (hang) => summary.addHang(hang, patienceMs / 1000),
        }),
      ),
    );
    stopped = controller.signal.aborted;
  } finally {
    clearInterval(ticker);
    controller.abort();
  }
  const { figures, kinds, failures } = summary;
  const spent = Number(((Date.now() - started) / 1000).toFixed(1));
  if (json)
    print(
      JSON.stringify(
        { schemaVersion: '1.0', fuzz: 'memory', seed, seconds: spent, figures, kinds, failures },
        null,
        2,
      ),
    );
  else {
    for (const [kind, counts] of Object.entries(kinds)) print(`${kind.padEnd(28)} ${JSON.stringify(counts)}`);
    for (const failure of failures) print(JSON.stringify(failure));
    print(JSON.stringify(figures));
  }
  if (stopped) process.exitCode = exitStatus.interrupted;
  else if (failures.length > 0) process.exitCode = exitStatus.failed;
}

/** Does one mutation over, in this process, and says all about it. */
async function again(image: string, seed: number, number: number): Promise<void> {
  using rounds = await Rounds.open(image);
  const { stack, ...round } = await rounds.run(seed, number);
  print(JSON.stringify(round, null, 2));
  if (stack !== undefined) print(stack);
  if (round.outcome === 'crash' || round.outcome === 'wrong') process.exitCode = exitStatus.failed;
}

const print = (text: string) => void process.stdout.write(`${text}\n`);

const parser = yargs(hideBin(process.argv))
  .scriptName('fuzz')
  .usage('$0 WHAT\n\nSpoils what the program reads, and looks whether it answers right, or refuses.')
  .command(
    'memory',
    "memory images: the lab's suspended guest with damage that is made up",
    (command) =>
      command
        .option('seconds', { type: 'number', default: 60, describe: 'how long' })
        .option('mutations', { type: 'number', describe: 'how many, however long it takes' })
        .option('seed', { type: 'number', default: 1, describe: 'other seeds make other damage' })
        .option('number', { type: 'number', describe: 'only this mutation of the seed, in full words' })
        .option('json', { type: 'boolean', default: false, describe: 'print one JSON document' }),
    (args) => memory(args),
  )
  .demandCommand(1, 'name what to fuzz');

await runCommandLine('fuzz', parser);
