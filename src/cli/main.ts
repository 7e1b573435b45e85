#!/usr/bin/env node
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { errnoOf, exitStatus, OuaError } from '../base/errors.js';
import { version } from '../base/installation.js';
import { register } from './command.js';
import { printError } from './output.js';

/** Each command's module is loaded when it is needed: most need only a part of the program. */
const commands = {
  plan: async (parser: Parser) => register(parser, (await import('./plan.js')).planCommand),
  show: async (parser: Parser) => register(parser, (await import('./show.js')).showCommand),
  apply: async (parser: Parser) => register(parser, (await import('./apply.js')).applyCommand),
  inspect: async (parser: Parser) => register(parser, (await import('./inspect.js')).inspectCommand),
  profile: async (parser: Parser) => register(parser, (await import('./profile.js')).profileCommand),
  syscalls: async (parser: Parser) => register(parser, (await import('./syscalls.js')).syscallsCommand),
  doctor: async (parser: Parser) => register(parser, (await import('./doctor.js')).doctorCommand),
};
type Parser = Parameters<typeof register>[0];

// Whoever reads our output may have seen enough (`| head`): that is no failure.
process.stdout.on('error', (error) => {
  if (errnoOf(error) !== 'EPIPE') throw error;
  process.exit(exitStatus.done);
});

const words = hideBin(process.argv);
const named = Object.entries(commands).filter(([name]) => words.includes(name));

let parser = yargs(words)
  .scriptName('ouassister')
  .usage(
    '$0 COMMAND\n\nUpdates a suspended Linux VM: plans the update from outside, replays it inside at the resume.',
  )
  .option('json', { type: 'boolean', default: false, describe: 'print one JSON document instead of text' })
  .parserConfiguration({ 'populate--': true })
  .version(version)
  .strict()
  .demandCommand(1, 'name a command')
  .recommendCommands()
  .wrap(Math.min(110, process.stdout.columns ?? 110))
  .exitProcess(false)
  .fail((message: string | undefined, error: Error | undefined) => {
    throw error ?? new OuaError('USAGE', message ?? 'unknown usage', 'see `ouassister --help`');
  });
for (const [, add] of named.length > 0 ? named : Object.entries(commands)) parser = await add(parser);

try {
  await parser.parseAsync();
} catch (error) {
  process.exitCode = printError(error, words.includes('--json'));
}
