/** How the programs that come with the tests, the lab and the benchmarks, take their arguments and end. */
import type { Argv } from 'yargs';
import { OuaError } from '../src/base/errors.js';

/** Runs the command that the arguments name; an error of ours becomes words and the exit status. */
export async function runCommandLine<T>(name: string, parser: Argv<T>): Promise<void> {
  try {
    await parser
      .strict()
      .fail((message, error: Error | undefined) => {
        throw error ?? new OuaError('USAGE', message, `see \`${name} --help\``);
      })
      .parseAsync();
  } catch (error) {
    if (!(error instanceof OuaError)) throw error;
    process.stderr.write(`${name}: ${error.message} (${error.code})\n  ${error.hint}\n`);
    process.exitCode = error.exitStatus;
  }
}
