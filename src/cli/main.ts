#!/usr/bin/env node
import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { OuaError } from '../base/errors.js';
import { version } from '../base/installation.js';
import { applyCommand } from './apply.js';
import { register } from './command.js';
import { doctorCommand } from './doctor.js';
import { inspectCommand } from './inspect.js';
import { printError } from './output.js';
import { planCommand } from './plan.js';
import { profileCommand } from './profile.js';
import { showCommand } from './show.js';

const words = hideBin(process.argv);

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
parser = register(parser, planCommand);
parser = register(parser, showCommand);
parser = register(parser, applyCommand);
parser = register(parser, inspectCommand);
parser = register(parser, profileCommand);
parser = register(parser, doctorCommand);

try {
  await parser.parseAsync();
} catch (error) {
  process.exitCode = printError(error, words.includes('--json'));
}
