import { basename } from 'node:path';
import { OuaError } from '../base/errors.js';
import { profileCacheFolder } from '../kernel/profile-cache.js';
import { readProfile, shippedProfiles } from '../kernel/profile.js';
import { diskFormats, type DiskFormat } from '../disk/image.js';
import {
  changeOrders,
  conffileChoices,
  scriptPolicies,
  type ChangeOrder,
  type ConffileChoice,
  type ScriptPolicy,
} from '../plan/model.js';
import { planUpdate } from '../planner/plan.js';
import type { Command, CommonArguments } from './command.js';
import { memoryFormatHelp, memoryHelp, profileHelp } from './memory-option.js';
import { printJson, printTable } from './output.js';
import { orderInWords } from './order.js';
import { withProgress } from './progress.js';

interface PlanArguments extends CommonArguments {
  readonly disk: string;
  readonly memory: string;
  readonly output: string | undefined;
  readonly run: string[];
  readonly 'memory-format': string | undefined;
  readonly profile: string | undefined;
  readonly 'disk-format': DiskFormat | undefined;
  readonly backing: string[];
  readonly timeout: number | undefined;
  readonly audit: boolean;
  readonly policy: ScriptPolicy;
  readonly conffiles: ConffileChoice;
  readonly preseed: string | undefined;
  readonly order: ChangeOrder;
}

export const planCommand: Command<PlanArguments> = {
  command: 'plan',
  describe: 'run an update outside the suspended guest and write down all that it does',
  examples: [
    ['$0 plan --disk disk.qcow2 --memory memory.core -- apt-get -y install nginx', 'plan an installation'],
    [
      '$0 plan --disk d.qcow2 --memory m.core --run "apt-get update" -- apt-get -y upgrade',
      'two commands, one plan',
    ],
  ],
  options: (yargs) =>
    yargs
      .option('disk', {
        type: 'string',
        demandOption: true,
        describe: 'disk image of the guest (raw or qcow2)',
      })
      .option('memory', { type: 'string', demandOption: true, describe: memoryHelp })
      .option('output', {
        type: 'string',
        alias: 'o',
        describe: 'plan file to write (default: NAME-OF-DISK.ouplan)',
      })
      .option('run', {
        type: 'string',
        array: true,
        requiresArg: true,
        nargs: 1,
        default: [] as string[],
        describe:
          "a command for the guest's /bin/sh that comes before the one after `--`; may be given again",
      })
      .option('disk-format', {
        choices: diskFormats,
        describe: 'format of the disk image (default: detected)',
      })
      .option('backing', {
        type: 'string',
        array: true,
        requiresArg: true,
        nargs: 1,
        default: [] as string[],
        describe: 'a file that the disk image is based on; may be given again, others are refused',
      })
      .option('timeout', { type: 'number', describe: 'seconds that each command may take (default: 3600)' })
      .option('policy', {
        choices: scriptPolicies,
        default: 'split' as const,
        describe:
          'split: maintainer scripts run now, and what they do to the running system at the replay; ' +
          'defer: all of each script runs at the replay',
      })
      .option('conffiles', {
        choices: conffileChoices,
        default: 'keep' as const,
        describe:
          'configuration files that both the administrator and a package have changed, where the guest does not say ' +
          "itself, keep: the administrator's version; install: the package's",
      })
      .option('preseed', {
        type: 'string',
        requiresArg: true,
        describe: "answers to packages' questions, a file for debconf-set-selections",
      })
      .option('order', {
        choices: changeOrders,
        default: 'log' as const,
        describe:
          'log: the replay does everything in the order in which it happened; phases, for comparison only: ' +
          'preinst and prerm scripts, then all files, then postinst and postrm scripts',
      })
      .option('audit', {
        type: 'boolean',
        default: false,
        describe: 'also write down what is done to each file, socket and process, and for which package',
      })
      .option('memory-format', { type: 'string', describe: memoryFormatHelp })
      .option('profile', { type: 'string', describe: profileHelp }),
  mounts: () => true,
  run: async (args, { signal, rest }) => {
    const commands = [...args.run.map((line) => ['/bin/sh', '-c', line]), ...(rest.length > 0 ? [rest] : [])];
    if (commands.length === 0)
      throw new OuaError('USAGE', 'no command to plan', 'put it after `--`, e.g. `-- apt-get -y upgrade`');

    if (args.timeout !== undefined && !(args.timeout > 0 && args.timeout < 1e6))
      throw new OuaError('USAGE', '--timeout is no number of seconds', 'give e.g. --timeout 600');

    const output = args.output ?? `${basename(args.disk).replace(/\.[^.]*$/, '')}.ouplan`;
    const titles = {
      memory: 'Reading the guest from its memory',
      disk: 'Opening its disk',
      shadow: 'Building the shadow of its file system and /proc',
      update: `Running ${commands.map((argv) => argv.join(' ')).join('; ')}`,
      finish: 'Writing the plan',
    };
    const result = await withProgress(titles, args.json, ({ phase, detail }) =>
      planUpdate({
        disk: args.disk,
        diskFormat: args['disk-format'],
        backing: args.backing,
        memory: args.memory,
        memoryFormat: args['memory-format'],
        profile: args.profile === undefined ? undefined : readProfile(args.profile),
        profileDirectory: shippedProfiles,
        profileCache: profileCacheFolder(),
        output,
        commands,
        timeout: args.timeout,
        audit: args.audit,
        policy: args.policy,
        conffiles: args.conffiles,
        preseed: args.preseed,
        order: args.order,
        signal,
        onEvent: (event) => {
          if (event.type === 'phase') phase(event.phase);
          else if (event.type === 'output') detail(event.text);
          else if (event.type === 'again') detail(`Beginning again: ${event.reason}`);
        },
      }),
    );
    if (args.json) printJson(result);
    else
      printTable(
        ['PLANNED', ''],
        [
          ['plan', result.plan],
          ['packages', result.packages.length],
          ['scripts', result.scripts],
          ['live actions', result.actions],
          ['steps', result.steps],
          ...(result.order === 'log' ? [] : [['order', orderInWords(result.order)]]),
          ['offline', `${result.seconds.toFixed(1)} s`],
        ],
      );
    return 0;
  },
};
