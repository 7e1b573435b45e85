import { syscallEntries, type SyscallEntry } from '../tracer/listing.js';
import { abis, type Abi } from '../tracer/numbers.js';
import { features, supportLevels, type Feature, type Support } from '../tracer/row.js';
import type { Command, CommonArguments } from './command.js';
import { printJson, printTable } from './output.js';

interface SyscallsArguments extends CommonArguments {
  readonly feature: Feature | undefined;
  readonly support: Support | undefined;
  readonly abi: Abi | undefined;
}

export const syscallsCommand: Command<SyscallsArguments> = {
  command: 'syscalls',
  describe: 'list the system calls that the engine stops, answers or refuses; all others run untouched',
  examples: [
    ['$0 syscalls', 'every row of the table'],
    ['$0 syscalls --support refused', 'what a traced program cannot do'],
    ['$0 syscalls --abi aarch64 --json', 'the calls of one ABI, for a program to read'],
  ],
  options: (yargs) =>
    yargs
      .option('feature', {
        choices: Object.keys(features) as Feature[],
        describe: 'only calls that this feature of a run adds to the filter',
      })
      .option('support', { choices: supportLevels, describe: 'only calls with this level of support' })
      .option('abi', { choices: abis, describe: 'only calls that this ABI has; its numbers are shown' }),
  run: async (args) => {
    await Promise.resolve();
    const rows = syscallEntries().filter(isWanted(args));
    if (args.json) printJson({ syscalls: rows });
    else printRows(rows, args.abi ?? 'x86_64');
    return 0;
  },
};

const isWanted =
  ({ feature, support, abi }: SyscallsArguments) =>
  (row: SyscallEntry): boolean =>
    (feature === undefined || row.feature === feature) &&
    (support === undefined || row.support === support) &&
    (abi === undefined || row.numbers[abi] !== null);

function printRows(rows: readonly SyscallEntry[], abi: Abi): void {
  printTable(
    ['CALL', abi.toUpperCase(), 'STOPS', 'IF', 'ANSWERED BY', 'FEATURE', 'SUPPORT', 'NOTE'],
    rows.map(({ name, numbers, stops, when, answeredBy, feature, support, note }) => [
      name,
      numbers[abi] ?? '-',
      stops,
      when.join(' and '),
      answeredBy,
      feature,
      support,
      note,
    ]),
  );
}
