import { applyPlan, type ApplyEvent, type ApplyResult, type ApplyTarget } from '../applier/apply.js';
import { onFailureChoices, type OnFailure } from '../applier/stream.js';
import { OuaError } from '../base/errors.js';
import type { Command, CommonArguments } from './command.js';
import { printJson, printTable } from './output.js';
import { withProgress, type Progress } from './progress.js';

interface ApplyArguments extends CommonArguments {
  readonly plan: string;
  readonly qmp?: string | undefined;
  readonly qga?: string | undefined;
  readonly root?: string | undefined;
  readonly 'on-failure': OnFailure;
}

export const applyCommand: Command<ApplyArguments> = {
  command: 'apply <plan>',
  describe: 'resume the guest off the network, bring the plan into it, then let it on the network',
  examples: [
    ['$0 apply nginx.ouplan --qmp qmp.sock --qga qga.sock', 'into a VM that is resumed but still paused'],
    ['$0 apply nginx.ouplan --root /srv/container', 'into a directory tree'],
  ],
  options: (yargs) =>
    yargs
      .positional('plan', { type: 'string', demandOption: true, describe: 'plan file' })
      .option('qmp', { type: 'string', describe: "QMP socket of the VM's QEMU", implies: 'qga' })
      .option('qga', { type: 'string', describe: 'guest agent socket of the VM', implies: 'qmp' })
      .option('root', {
        type: 'string',
        describe: 'a root directory instead of a VM',
        conflicts: ['qmp', 'qga'],
      })
      .option('on-failure', {
        choices: onFailureChoices,
        default: 'rollback' as const,
        describe:
          "when a script or live action fails in the guest, rollback: take the plan's files back; " +
          'stop: end there, and keep what is done',
      }),
  run: async (args, { signal }) => {
    const target = targetOf(args);
    const result = await withProgress(titles, args.json, (progress) => {
      progress.phase('stage');
      return applyPlan(args.plan, {
        target,
        signal,
        onFailure: args['on-failure'],
        onEvent: (event) => show(event, progress),
      });
    });
    if (args.json) printJson(result);
    else printResult(result);
    return 0;
  },
};

type Phase = keyof typeof titles;

const titles = {
  stage: 'Laying out the replay',
  isolate: 'Cutting the guest off its networks',
  resume: 'Resuming the guest',
  replay: 'Replaying the update inside the guest',
  release: 'Giving the guest its networks back',
};

/** The phase that begins with an event. */
const begins: Partial<Record<ApplyEvent['event'], Phase>> = {
  'laid-out': 'isolate',
  isolated: 'resume',
  resumed: 'replay',
  end: 'release',
};

function show(event: ApplyEvent, { phase, detail }: Progress<Phase>): void {
  const next = begins[event.event];
  if (next) phase(next);
  if (event.event === 'step') detail(`step ${event.step}: ${event.kind}, ${event.seconds.toFixed(1)} s`);
}

function printResult(result: ApplyResult): void {
  const ran = result.scripts.filter(({ skipped }) => !skipped);
  printTable(
    ['APPLIED', ''],
    [
      ['steps', result.steps],
      ['scripts', ran.filter(({ kind }) => kind === 'script').length],
      ['live actions', ran.filter(({ kind }) => kind === 'action').length],
      ['online', `${result.onlineSeconds.toFixed(1)} s`],
      ['in all', `${result.totalSeconds.toFixed(1)} s`],
      ...result.kept.map((path): [string, string] => ['kept, not empty', path]),
      ...result.overwritten.map((path): [string, string] => ["overwrote a script's", path]),
      ...result.merged.map((path): [string, string] => ['merged with live changes', path]),
    ],
  );
}

function targetOf(args: ApplyArguments): ApplyTarget {
  if (args.qmp !== undefined && args.qga !== undefined)
    return { kind: 'qemu', qmp: args.qmp, guestAgent: args.qga };
  if (args.root !== undefined) return { kind: 'root', directory: args.root };
  throw new OuaError('USAGE', 'apply needs a target', 'give --qmp and --qga, or --root');
}
