import { buildProfile, checkProfile } from '../kernel/open.js';
import {
  formatProfile,
  listProfiles,
  readProfile,
  shippedProfiles,
  writeProfile,
} from '../kernel/profile.js';
import { errorCodes, OuaError } from '../base/errors.js';
import { openMemory } from '../memory/open.js';
import type { Command, CommonArguments } from './command.js';
import { printJson, printTable, printText } from './output.js';

interface ProfileArguments extends CommonArguments {
  readonly action: (typeof actions)[number];
  readonly file: string | undefined;
  readonly memory: string | undefined;
  readonly directory: string;
  readonly write: boolean;
}

const actions = ['build', 'list', 'show', 'check'] as const;

export const profileCommand: Command<ProfileArguments> = {
  command: 'profile <action> [file]',
  describe: 'build, list, show or check kernel profiles',
  examples: [
    ['$0 profile build --memory memory.core', "print the profile that the guest's own memory gives"],
    ['$0 profile build --memory memory.core --write', 'add it to the installed profiles'],
    ['$0 profile check 6.1.json --memory memory.core', 'does this profile describe that guest?'],
    ['$0 profile list', 'the profiles that are installed'],
  ],
  options: (yargs) =>
    yargs
      .positional('action', { choices: actions, demandOption: true, describe: 'what to do' })
      .positional('file', { type: 'string', describe: 'profile file (show, check)' })
      .option('memory', { type: 'string', describe: 'memory image (build, check)' })
      .option('directory', { type: 'string', default: shippedProfiles, describe: 'folder of profiles' })
      .option('write', { type: 'boolean', default: false, describe: 'write into the folder (build)' }),
  run: async (args) => {
    await Promise.resolve();
    return actionOf[args.action](args);
  },
};

const actionOf: Record<ProfileArguments['action'], (args: ProfileArguments) => number> = {
  build(args) {
    using memory = openMemory(needed(args.memory, '--memory'));
    const profile = buildProfile(memory);
    if (args.write) {
      const file = writeProfile(args.directory, profile);
      if (args.json) printJson({ file });
      else printText(file);
    } else printText(formatProfile(profile));
    return 0;
  },
  list(args) {
    const profiles = listProfiles(args.directory);
    if (args.json)
      printJson({ profiles: profiles.map(({ path, profile: { banner } }) => ({ path, banner })) });
    else
      printTable(
        ['RELEASE', 'BUILD', 'FILE'],
        profiles.map(({ path, profile }) => [profile.release, build(profile.banner), path]),
      );
    return 0;
  },
  show(args) {
    const profile = readProfile(needed(args.file, 'a profile file'));
    if (args.json) printJson(profile);
    else printText(formatProfile(profile));
    return 0;
  },
  check(args) {
    using memory = openMemory(needed(args.memory, '--memory'));
    const findings = checkProfile(memory, readProfile(needed(args.file, 'a profile file')));
    const fits = findings.every(({ kind }) => kind !== 'error');
    if (args.json) printJson({ fits, findings });
    else {
      printText(fits ? 'the profile describes this guest' : 'the profile does not describe this guest');
      if (findings.length > 0)
        printTable(
          ['', 'WHAT'],
          findings.map(({ kind, what }) => [kind, what]),
        );
    }
    return fits ? 0 : errorCodes.PROFILE_MISMATCH;
  },
};

/** `#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-…)`: what tells builds of one release apart. */
function build(banner: string): string {
  return banner.slice(banner.indexOf('#')).trim();
}

function needed(value: string | undefined, name: string): string {
  if (value === undefined)
    throw new OuaError('USAGE', `${name} is needed`, 'see `ouassister profile --help`');
  return value;
}
