import yargs from 'yargs';
import { hideBin } from 'yargs/helpers';
import { OuaError } from '../../src/base/errors.js';
import { shippedProfiles } from '../../src/kernel/profile.js';
import { runCommandLine } from '../command-line.js';
import type { Say } from './cache.js';
import { Lab, type LabGuest } from './lab.js';
import { defaultRecipe } from './recipe.js';
import { visitZoo, writeZooProfiles, type ZooResult } from './zoo/report.js';

const started = Date.now();
const say: Say = (words) => {
  process.stderr.write(`lab ${((Date.now() - started) / 1000).toFixed(1).padStart(6)} s  ${words}\n`);
};
const lab = new Lab({ say });

/** The public view of a guest: what `--json` prints. */
function describe(guest: LabGuest) {
  const { name, state, folder, machine, disk, memory, saved, qmp, agent } = guest;
  const files = state === 'suspended' ? { memory, saved } : state === 'running' ? { qmp, agent } : {};
  return { name, state, folder, memoryMiB: machine.memory, cpus: machine.cpus, disk, ...files };
}

function print(guest: LabGuest, json: boolean): void {
  if (json) process.stdout.write(JSON.stringify(describe(guest)) + '\n');
  else
    for (const [key, value] of Object.entries(describe(guest)))
      process.stdout.write(`${key.padEnd(10)} ${value}\n`);
}

function zooLines({ name, release, seconds, differences }: ZooResult): string {
  const verdict = differences.length > 0 ? `${differences.length} differences` : 'as it says';
  const head = `${name.padEnd(20)} ${release.padEnd(32)} ${seconds.toFixed(2).padStart(6)} s  ${verdict}`;
  return [head, ...differences.map((line) => `  ${line}`)].map((line) => `${line}\n`).join('');
}

const name = { type: 'string', demandOption: true, describe: 'name of the guest' } as const;
const list = (text: string) => text.split(',').filter((item) => item !== '');

const parser = yargs(hideBin(process.argv))
  .scriptName('lab')
  .usage('$0 COMMAND\n\nBrings up, suspends and resumes Debian guests in QEMU.')
  .option('json', { type: 'boolean', default: false, describe: 'print one JSON document' })
  .command(
    'up <name>',
    'build a Debian guest and boot it',
    (command) =>
      command
        .positional('name', name)
        .option('suite', { type: 'string', default: defaultRecipe.suite, describe: 'Debian release' })
        .option('kernel', { type: 'string', default: defaultRecipe.kernel, describe: 'kernel package' })
        .option('memory', { type: 'number', default: 512, describe: 'MiB' })
        .option('cpus', { type: 'number', default: 1 })
        .option('packages', { type: 'string', default: '', describe: 'more packages, with commas' })
        .option('layout', { choices: ['gpt', 'whole-disk'] as const, default: defaultRecipe.layout })
        .option('disk-format', { choices: ['qcow2', 'raw'] as const, default: 'qcow2' as const }),
    async ({ name, suite, kernel, memory, cpus, packages, layout, diskFormat, json }) => {
      const recipe = { suite, kernel, layout, packages: list(packages) };
      print(await lab.up(name, { recipe, memory, cpus, diskFormat }), json);
    },
  )
  .command(
    'suspend <name>',
    'stop a guest and leave its disk, memory.core and state',
    (command) =>
      command
        .positional('name', name)
        .option('sync', {
          type: 'boolean',
          default: true,
          describe: 'let the guest write its page cache first',
        })
        .option('capture', {
          type: 'boolean',
          default: false,
          describe: 'let the guest describe itself first',
        }),
    async ({ name, sync, capture, json }) => print(await lab.suspend(name, { sync, capture }), json),
  )
  .command(
    'resume <name>',
    'start a suspended guest from its state',
    (command) =>
      command
        .positional('name', name)
        .option('paused', { type: 'boolean', default: false, describe: 'do not let it run yet' }),
    async ({ name, paused, json }) => print(await lab.resume(name, { paused }), json),
  )
  .command(
    'exec <name>',
    'run a program in a guest: lab exec NAME -- CMD',
    (command) => command.positional('name', name),
    async ({ name, '--': program }) => {
      const [path, ...args] = ((program ?? []) as unknown[]).map(String);
      if (path === undefined)
        throw new OuaError('USAGE', 'there is no program to run', 'lab exec NAME -- CMD [ARGUMENT …]');
      const exit = await lab.exec(name, { path, args });
      process.stdout.write(exit.stdout);
      process.stderr.write(exit.stderr);
      // As a shell reports a program that a signal ended.
      process.exitCode = exit.exitCode ?? 128 + (exit.signal ?? 0);
    },
  )
  .command(
    'down <name>',
    'end a guest and remove its folder',
    (command) => command.positional('name', name),
    async ({ name }) => lab.down(name),
  )
  .command(
    'zoo [names..]',
    'boot kernels of the zoo and compare what is read of each with its own words',
    (command) =>
      command
        .positional('names', {
          type: 'string',
          array: true,
          default: [] as string[],
          describe: 'which ones (default: all)',
        })
        .option('write-profiles', {
          type: 'boolean',
          default: false,
          describe: 'instead, make their profiles in kernel-profiles anew',
        }),
    async ({ names, writeProfiles, json }) => {
      if (writeProfiles) {
        for await (const path of writeZooProfiles(names, shippedProfiles, say))
          process.stdout.write(`${path}\n`);
        return;
      }
      for await (const result of visitZoo(names, say)) {
        if (result.differences.length > 0) process.exitCode = 1;
        if (json) process.stdout.write(JSON.stringify(result) + '\n');
        else process.stdout.write(zooLines(result));
      }
    },
  )
  .command('list', 'list the guests', {}, async ({ json }) => {
    const guests = (await lab.list()).map(describe);
    if (json) process.stdout.write(JSON.stringify(guests) + '\n');
    else
      for (const { name, state, folder } of guests)
        process.stdout.write(`${name.padEnd(20)} ${state.padEnd(10)} ${folder}\n`);
  })
  .parserConfiguration({ 'populate--': true })
  .demandCommand(1, 'name a command');

await runCommandLine('lab', parser);
