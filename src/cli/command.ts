import type { Argv } from 'yargs';
import { interrupted } from '../base/abort.js';
import { exitStatus, OuaError } from '../base/errors.js';
import { printError } from './output.js';

/** Options that every command takes. */
export interface CommonArguments {
  readonly json: boolean;
}

/** What the command line hands to a command beside its arguments. */
export interface CommandContext {
  /** Aborted by the first Ctrl-C (or SIGTERM): release everything, leave files whole. */
  readonly signal: AbortSignal;
  /** The words after `--`. */
  readonly rest: readonly string[];
}

/** One command of the program: a module in this folder, a row in `main.ts`. */
export interface Command<Arguments extends CommonArguments> {
  readonly command: string;
  readonly describe: string;
  readonly examples: readonly (readonly [string, string])[];
  readonly options: (yargs: Argv<CommonArguments>) => Argv<Arguments>;
  /** Whether it mounts things: then it runs in a mount namespace of its own, which takes them along when it ends. */
  readonly mounts?: (args: Arguments) => boolean;
  /** Returns the exit status. */
  readonly run: (args: Arguments, context: CommandContext) => Promise<number>;
}

/** Adds a command to the parser; its exit status becomes the process's. */
export function register<Arguments extends CommonArguments>(
  yargs: Argv<CommonArguments>,
  command: Command<Arguments>,
): Argv<CommonArguments> {
  return yargs.command(
    command.command,
    command.describe,
    (parser) => command.options(parser.usage(usage(command))),
    async (args) => {
      const given = args as unknown as Arguments;
      process.exitCode = await guarded(given.json, command.mounts?.(given) ?? false, (signal) => {
        const rest = (args as { '--'?: (string | number)[] })['--'] ?? [];
        return command.run(given, { signal, rest: rest.map(String) });
      });
    },
  );
}

/** What `--help` shows above the options: usage, one sentence, examples. */
function usage({
  command,
  describe,
  examples,
}: Pick<Command<never>, 'command' | 'describe' | 'examples'>): string {
  const lines = examples.flatMap(([line, what]) => [`# ${what}`, line]);
  return [`$0 ${command}`, '', describe, '', 'Examples:', ...lines].join('\n');
}

/** What asks a program to end; the terminal's closing, too. */
const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** First signal: stop cleanly. Second: leave at once. */
async function guarded(
  json: boolean,
  mounts: boolean,
  body: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const onSignal = () => {
    if (controller.signal.aborted) process.exit(exitStatus.interrupted);
    controller.abort(interrupted(undefined));
  };
  try {
    // Before we catch signals: one that is caught and not yet told to us would be lost when we run anew.
    if (mounts) (await import('../sandbox/private-mounts.js')).enterPrivateMountNamespace();
    for (const signal of endings) process.on(signal, onSignal);
    return await body(controller.signal);
  } catch (error) {
    // What an abort broke on its way out is not the news, unless it has a name of its own.
    return printError(
      controller.signal.aborted && !(error instanceof OuaError) ? controller.signal.reason : error,
      json,
    );
  } finally {
    for (const signal of endings) process.off(signal, onSignal);
  }
}
