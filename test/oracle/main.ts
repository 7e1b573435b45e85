import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { exitStatus, OuaError } from '../../src/base/errors.js';
import { enterPrivateMountNamespace } from '../../src/sandbox/private-mounts.js';
import { runCommandLine } from '../command-line.js';
import { corpus } from './corpus.js';
import { guestKinds, type CopyKind } from './live-state.js';
import { operations, operationTable, type Operation } from './operations.js';
import { runOracle } from './oracle.js';
import { table } from './report.js';
import { orders, policies } from './variant.js';

const started = performance.now();
const say = (words: string) =>
  process.stderr.write(
    `oracle ${((performance.now() - started) / 1000).toFixed(1).padStart(7)} s  ${words}\n`,
  );

interface Arguments {
  readonly operation: string;
  readonly packages: string;
  readonly guest: CopyKind;
  readonly policy: string;
  readonly order: string;
  readonly corpus: boolean;
  readonly json: boolean;
}

/** The words of a list with commas, each being one of some. */
function chosen<T extends string>(option: string, text: string, known: readonly T[]): T[] {
  return text
    .split(',')
    .filter((word) => word !== '')
    .map((word) => {
      const found = known.find((name) => name === word);
      if (found !== undefined) return found;
      throw new OuaError('USAGE', `--${option}: there is no '${word}'`, `take some of: ${known.join(', ')}`);
    });
}

/** Debian Policy 5.6.7: a package's name. */
function packageNames(text: string): string[] {
  const names = text.split(',').filter((name) => name !== '');
  const wrong = names.find((name) => !/^[a-z0-9][a-z0-9+.-]+$/.test(name));
  if (wrong !== undefined)
    throw new OuaError('USAGE', `'${wrong}' is no package name`, 'e.g. --packages nginx,cron');
  return names;
}

async function oracle(args: Arguments): Promise<void> {
  enterPrivateMountNamespace();
  const named = packageNames(args.packages);
  if (args.corpus && named.length > 0)
    throw new OuaError('USAGE', '--corpus and --packages exclude each other', 'leave one out');
  const packages = args.corpus ? corpus.map((row) => row.package) : named;
  const wanted: Operation[] = chosen('operation', args.operation, operations);
  if (packages.length === 0 && wanted.some((operation) => operationTable[operation].each))
    throw new OuaError('USAGE', 'no package is named', 'give --packages a,b or --corpus');
  const variants = chosen('policy', args.policy, policies).flatMap((policy) =>
    chosen('order', args.order, orders).map((order) => ({ policy, order })),
  );
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => controller.abort());
  const { guest } = args;
  const whole = args.corpus && wanted.length === operations.length;
  const document = await runOracle({
    ...{ operations: wanted, packages, guest, variants, whole, say },
    signal: controller.signal,
  });
  process.stdout.write(`${args.json ? JSON.stringify(document, null, 2) : table(document)}\n`);
  if (!document.complete) process.exitCode = exitStatus.interrupted;
  else if (!document.cases.every(({ result }) => result === 'identical'))
    process.exitCode = exitStatus.failed;
}

const parser = yargs(hideBin(process.argv))
  .scriptName('oracle')
  .usage(
    '$0 --operation OPERATION --packages A,B\n\n' +
      'Runs updates inside copies of a guest, plans them for another copy, and compares all of it.',
  )
  .command(
    '$0',
    false,
    (command) =>
      command
        .option('operation', {
          type: 'string',
          default: operations.join(','),
          describe: 'what to do to the packages, with commas',
        })
        .option('packages', { type: 'string', default: '', describe: 'each a case of its own, with commas' })
        .option('corpus', { type: 'boolean', default: false, describe: 'all packages of the corpus' })
        .option('guest', {
          choices: guestKinds,
          default: 'root' as const,
          describe: 'copies that are containers (quick), or VMs',
        })
        .option('policy', {
          type: 'string',
          default: 'split',
          describe: 'policies to plan with, with commas',
        })
        .option('order', { type: 'string', default: 'log', describe: 'orders to plan with, with commas' })
        .option('json', { type: 'boolean', default: false, describe: 'print one JSON document' }),
    (args) => oracle(args),
  );

await runCommandLine('oracle', parser);
