import { errorCodes, OuaError } from '../base/errors.js';
import { checkAnswers } from '../guest/answers.js';
import { openGuest } from '../guest/open.js';
import { profileOfFile, profileOfParts } from '../kernel/file/source.js';
import { buildProfile, openKernel } from '../kernel/open.js';
import { architectureNames, type ArchitectureName } from '../kernel/paging.js';
import { checkProfile, missingFrom } from '../kernel/profile-check.js';
import {
  formatProfile,
  listProfiles,
  readProfile,
  shippedProfiles,
  writeProfile,
  type Profile,
} from '../kernel/profile.js';
import type { PhysicalMemory } from '../memory/memory.js';
import { openMemory } from '../memory/open.js';
import type { Command, CommonArguments } from './command.js';
import { memoryFormatHelp } from './memory-option.js';
import { printJson, printTable, printText } from './output.js';

interface ProfileArguments extends CommonArguments {
  readonly action: (typeof actions)[number];
  readonly file: string | undefined;
  readonly profile: string | undefined;
  readonly memory: string | undefined;
  readonly 'memory-format': string | undefined;
  readonly 'system-map': string | undefined;
  readonly btf: string | undefined;
  readonly banner: string | undefined;
  readonly 'build-id': string | undefined;
  readonly architecture: ArchitectureName;
  readonly directory: string;
  readonly write: boolean;
}

const actions = ['build', 'list', 'show', 'check'] as const;

export const profileCommand: Command<ProfileArguments> = {
  command: 'profile <action> [file] [profile]',
  describe: 'build, list, show or check kernel profiles',
  examples: [
    ['$0 profile build --memory memory.core', "print the profile that the guest's own memory gives"],
    ['$0 profile build --memory memory.core --write', 'add it to the installed profiles'],
    [
      '$0 profile build vmlinuz-6.1.0-50-cloud-amd64',
      'the same from the kernel file, or a vmlinux with DWARF',
    ],
    [
      '$0 profile build --system-map System.map --btf vmlinux.btf --banner version.txt',
      'the same from parts',
    ],
    ['$0 profile check memory.core', 'what of this guest can be told, and what not, and why'],
    ['$0 profile check memory.core 6.1.json', 'does this profile describe that guest?'],
    ['$0 profile list', 'the profiles that are installed'],
  ],
  options: (yargs) =>
    yargs
      .positional('action', { choices: actions, demandOption: true, describe: 'what to do' })
      .positional('file', {
        type: 'string',
        describe: 'kernel file (build), memory image (check), profile file (show)',
      })
      .positional('profile', { type: 'string', describe: 'profile file (check; default: derived)' })
      .option('memory', { type: 'string', describe: 'memory image (build)' })
      .option('memory-format', { type: 'string', describe: memoryFormatHelp })
      .option('system-map', { type: 'string', describe: 'System.map of the kernel (build)' })
      .option('btf', { type: 'string', describe: 'its raw type information, with --system-map' })
      .option('banner', { type: 'string', describe: 'file with its /proc/version, with --system-map' })
      .option('build-id', { type: 'string', describe: 'its GNU build id, with --system-map' })
      .option('architecture', {
        choices: architectureNames,
        default: 'x86-64' as const,
        describe: 'its architecture, with --system-map',
      })
      .option('directory', {
        type: 'string',
        default: shippedProfiles,
        defaultDescription: 'the installed ones',
        describe: 'folder of profiles (build --write, list, check)',
      })
      .option('write', { type: 'boolean', default: false, describe: 'write into the folder (build)' }),
  run: async (args) => await actionOf[args.action](args),
};

const actionOf: Record<ProfileArguments['action'], (args: ProfileArguments) => number | Promise<number>> = {
  async build(args) {
    const profile = await built(args);
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
      printJson({
        profiles: profiles.map(({ path, profile: { architecture, release, banner, buildId } }) => ({
          ...{ path, architecture, release, banner, buildId },
        })),
      });
    else
      printTable(
        ['RELEASE', 'ARCHITECTURE', 'BUILD', 'BUILD ID', 'FILE'],
        profiles.map(({ path, profile }) => [
          ...[profile.release, profile.architecture, build(profile.banner)],
          ...[profile.buildId ?? '', path],
        ]),
      );
    return 0;
  },
  show(args) {
    const profile = readProfile(needed(args.file, 'a profile file'));
    if (args.json) printJson(profile);
    else printText(formatProfile(profile));
    return 0;
  },
  async check(args) {
    const image = needed(args.file, 'a memory image');
    using memory = await openMemory(image, { format: args['memory-format'] });
    const given = args.profile === undefined ? undefined : readProfile(args.profile);
    const profile = given ?? describedProfile(memory, args.directory);
    const findings = given ? checkProfile(memory, given) : missingFrom(profile);
    const fits = findings.every(({ kind }) => kind !== 'error');
    const answers = fits ? checkAnswers(openGuest(memory, { profile })) : [];
    const { release, banner, buildId, architecture } = profile;
    if (args.json) printJson({ fits, release, banner, buildId, architecture, findings, answers });
    else {
      const subject = given ? 'the profile' : `what is known of the kernel ${release}`;
      printText(fits ? `${subject} describes this guest` : `${subject} does not describe this guest`);
      if (findings.length > 0)
        printTable(
          ['', 'WHAT', 'NEEDED FOR'],
          findings.map(({ kind, what, neededFor }) => [kind, what, neededFor ?? '']),
        );
      if (answers.length > 0)
        printTable(
          ['', 'ANSWER', 'WHY NOT'],
          answers.map(({ answer, problem }) => [problem === undefined ? 'ok' : 'no', answer, problem ?? '']),
        );
    }
    return fits ? 0 : errorCodes.PROFILE_MISMATCH;
  },
};

/** What the kernel says of itself; of one that says too little, the installed profile. */
function describedProfile(memory: PhysicalMemory, directory: string): Profile {
  try {
    return buildProfile(memory);
  } catch (error) {
    const silent = error instanceof OuaError && ['KERNEL_UNSUPPORTED', 'KERNEL_NO_BTF'].includes(error.code);
    if (!silent) throw error;
    return openKernel(memory, { profileDirectory: directory }).profile;
  }
}

/** From a memory image, a kernel file, or parts of a kernel: whichever is named. */
async function built(args: ProfileArguments): Promise<Profile> {
  if (args['system-map'] !== undefined)
    return profileOfParts({
      systemMap: args['system-map'],
      btf: needed(args.btf, '--btf'),
      banner: needed(args.banner, '--banner'),
      buildId: args['build-id'],
      architecture: args.architecture,
    });
  if (args.file !== undefined) return profileOfFile(args.file);
  using memory = await openMemory(needed(args.memory, '--memory or a kernel file'), {
    format: args['memory-format'],
  });
  return buildProfile(memory);
}

/** `#1 SMP PREEMPT_DYNAMIC Debian 6.1.170-1 (2026-…)`: what tells builds of one release apart. */
function build(banner: string): string {
  return banner.slice(banner.indexOf('#')).trim();
}

function needed(value: string | undefined, name: string): string {
  if (value === undefined)
    throw new OuaError('USAGE', `${name} is needed`, 'see `ouassister profile --help`');
  return value;
}
