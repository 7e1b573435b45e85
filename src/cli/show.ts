import { OuaError } from '../base/errors.js';
import { auditKinds, type AuditKind } from '../plan/audit-event.js';
import { PlanReader } from '../plan/reader.js';
import { auditRows } from '../report/audit.js';
import { signalName } from '../report/signals.js';
import {
  actionRows,
  conffileRows,
  fileRows,
  scriptRows,
  stepRows,
  summary,
  text,
} from '../report/summary.js';
import type { Command, CommonArguments } from './command.js';
import { orderInWords } from './order.js';
import { printJson, printTable, printText } from './output.js';

interface ShowArguments extends CommonArguments {
  readonly plan: string;
  readonly packages?: boolean;
  readonly steps?: boolean;
  readonly scripts?: boolean;
  readonly actions?: boolean;
  readonly files?: boolean;
  readonly conffiles?: boolean;
  readonly debconf?: boolean;
  readonly proc?: boolean;
  readonly signals?: boolean;
  readonly programs?: boolean;
  readonly audit?: boolean;
  readonly package: string | undefined;
  readonly script: string | undefined;
  readonly kind: AuditKind | undefined;
  readonly path: string | undefined;
}

interface View {
  readonly describe: string;
  readonly rows: (plan: PlanReader, args: ShowArguments) => readonly object[];
  readonly print: (plan: PlanReader, args: ShowArguments) => void;
}

/** `show --X` and the key of its JSON document. */
const views = {
  packages: {
    describe: 'packages, from which version to which',
    rows: (plan) => plan.packages(),
    print: (plan) =>
      printTable(
        ['PACKAGE', 'ARCH', 'FROM', 'TO'],
        plan.packages().map((p) => [p.name, p.architecture, p.from ?? '-', p.to ?? '(removed)']),
      ),
  },
  steps: {
    describe: 'the log: what the replay does, in order',
    rows: (plan) => stepRows(plan.steps()),
    print: (plan) =>
      printTable(
        ['STEP', 'KIND', 'WHAT'],
        stepRows(plan.steps()).map((row) => [row.step, row.kind, row.what]),
      ),
  },
  scripts: {
    describe: 'maintainer script calls, in order',
    rows: (plan) => scriptRows(plan.steps()),
    print: (plan) =>
      printTable(
        ['STEP', 'PACKAGE', 'SCRIPT', 'ARGUMENTS', 'RUNS'],
        scriptRows(plan.steps()).map((row) => [
          row.step,
          row.package,
          row.kind,
          row.args.join(' '),
          row.reason === undefined ? row.runs : `${row.runs}: ${row.reason}`,
        ]),
      ),
  },
  actions: {
    describe: 'what the replay does to the running system, and which script asked for it',
    rows: (plan) => actionRows(plan.steps()),
    print: (plan) =>
      printTable(
        ['STEP', 'SCRIPT', 'ACTION'],
        actionRows(plan.steps()).map((row) => [row.step, row.script ?? '-', row.argv.join(' ')]),
      ),
  },
  files: {
    describe: 'every file that is put in place, linked or removed',
    rows: (plan) => fileRows(plan.steps()),
    print: (plan) =>
      printTable(
        ['STEP', 'ACTION', 'MODE', 'OWNER', 'SIZE', 'PATH'],
        fileRows(plan.steps()).map((row) => [
          row.step,
          row.action,
          row.mode ?? '',
          row.uid === undefined ? '' : `${row.uid}:${row.gid}`,
          row.size ?? '',
          row.target === undefined ? row.path : `${row.path} -> ${row.target}`,
        ]),
      ),
  },
  conffiles: {
    describe: "configuration files with two versions, the administrator's and the package's: which one it is",
    rows: (plan) => conffileRows(plan.conffiles()),
    print: (plan) =>
      printTable(
        ['DECISION', 'BY', 'PACKAGE', 'PATH', 'OTHER VERSION'],
        conffileRows(plan.conffiles()).map((row) => [
          row.decision,
          row.by,
          row.package ?? '-',
          row.path,
          row.beside ?? '(was deleted)',
        ]),
      ),
  },
  debconf: {
    describe: "packages' questions, and the answers that they get",
    rows: (plan) => plan.debconfQuestions(),
    print: (plan) =>
      printTable(
        ['QUESTION', 'TYPE', 'ANSWER', 'SEEN', 'PACKAGES'],
        plan
          .debconfQuestions()
          .map(({ name, type, value, withheld, seen, owners }) => [
            name,
            type ?? '-',
            withheld ? '(withheld)' : (value ?? ''),
            seen ? 'yes' : 'no',
            owners.join(' '),
          ]),
      ),
  },
  proc: {
    describe: 'what was read of /proc, and by whom',
    rows: (plan) => plan.procReads(),
    print: (plan) =>
      printTable(
        ['PATH', 'READER', 'COUNT', 'FOUND'],
        plan.procReads().map((read) => [read.path, read.reader, read.count, read.found ? 'yes' : 'no']),
      ),
  },
  signals: {
    describe: "signals to the guest's processes",
    rows: (plan) => plan.signals(),
    print: (plan) =>
      printTable(
        ['AFTER STEP', 'PID', 'SIGNAL', 'TARGET', 'PROCESS'],
        plan
          .signals()
          .map((sent) => [
            sent.afterStep ?? '-',
            sent.pid,
            signalName(sent.signal),
            sent.target,
            sent.targetComm,
          ]),
      ),
  },
  programs: {
    describe: 'every program that ran offline',
    rows: (plan) =>
      [...plan.executions()].map((run) => ({
        ...run,
        path: text(run.path),
        argv: run.argv.map((word) => text(word)),
      })),
    print: (plan) =>
      printTable(
        ['PID', 'PARENT', 'PROGRAM', 'ARGUMENTS'],
        [...plan.executions()].map((run) => [
          run.pid,
          run.parent,
          `${text(run.path)}${run.redirected ? ' (deferred)' : ''}`,
          run.argv.slice(1).map(text).join(' '),
        ]),
      ),
  },
  audit: {
    describe: 'what was done to files, sockets and processes (of a plan made with --audit)',
    rows: (plan, args) => auditRows(audited(plan, args), args),
    print: (plan, args) =>
      printTable(
        ['PID', 'PACKAGE', 'SCRIPT', 'KIND', 'WHAT'],
        auditRows(audited(plan, args), args).map((row) => [
          row.pid,
          row.package ?? '-',
          row.script ?? '-',
          row.kind,
          row.what,
        ]),
      ),
  },
} satisfies Record<string, View>;

function audited(plan: PlanReader, args: ShowArguments): PlanReader {
  if (plan.header.audited) return plan;
  throw new OuaError('USAGE', `${args.plan} has no event record`, 'plan again with --audit');
}

const viewNames = Object.keys(views) as (keyof typeof views)[];

export const showCommand: Command<ShowArguments> = {
  command: 'show <plan>',
  describe: 'show what a plan will do',
  examples: [
    ['$0 show nginx.ouplan', 'the summary'],
    ['$0 show nginx.ouplan --scripts', 'which maintainer scripts run, in order'],
    ['$0 show nginx.ouplan --files --json', 'every changed file, for a program to read'],
    [
      '$0 show nginx.ouplan --audit --package nginx',
      'what was done for a package (of a plan made with --audit)',
    ],
  ],
  options: (yargs) =>
    viewNames.reduce(
      (parser, name) => parser.option(name, { type: 'boolean', describe: views[name].describe }),
      yargs
        .positional('plan', { type: 'string', demandOption: true, describe: 'plan file' })
        .option('package', { type: 'string', implies: 'audit', describe: 'only what was done for it' })
        .option('script', {
          type: 'string',
          implies: 'audit',
          describe: 'only what a script did: its step, or PACKAGE.KIND',
        })
        .option('kind', { choices: auditKinds, implies: 'audit', describe: 'only events of this kind' })
        .option('path', { type: 'string', implies: 'audit', describe: 'only paths that begin so' }),
    ),
  run: async (args) => {
    await Promise.resolve();
    using plan = PlanReader.open(args.plan);
    const chosen = viewNames.filter((name) => args[name]);
    if (args.json) {
      const lists = Object.fromEntries(chosen.map((name) => [name, views[name].rows(plan, args)]));
      printJson(chosen.length > 0 ? lists : summary(plan));
    } else if (chosen.length > 0) chosen.forEach((name) => views[name].print(plan, args));
    else printSummary(plan);
    return 0;
  },
};

function printSummary(plan: PlanReader): void {
  const { guest, counts, policy, order, createdAt, notes } = summary(plan);
  printTable(
    ['PLAN', ''],
    [
      ['guest', `${guest.hostname} (${guest.release})`],
      ['suspended', new Date(guest.suspendedAt * 1000).toISOString()],
      ['made', createdAt],
      [
        'commands',
        plan
          .commands()
          .map((c) => c.argv.join(' '))
          .join('; '),
      ],
      ['policy', `${policy}, order ${orderInWords(order)}`],
      ['steps', counts.steps],
      ['scripts', `${counts.scripts}, of which ${counts.replayed} run at the replay`],
      ['live actions', counts.actions],
      ...(counts.signals > 0 ? [['signals', `${counts.signals} to processes of the guest, kept back`]] : []),
      ...(counts.conffilesKept + counts.conffilesInstalled > 0
        ? [
            [
              'conffiles',
              `${counts.conffilesKept} kept as the administrator has them, ${counts.conffilesInstalled} replaced`,
            ],
          ]
        : []),
      ...(counts.questions > 0 ? [['questions', `${counts.questions} of debconf's, see --debconf`]] : []),
      ['files', `${counts.put} put, ${counts.link} linked, ${counts.remove} removed (${counts.bytes} bytes)`],
    ],
  );
  printText('');
  views.packages.print(plan);
  if (notes.length > 0) {
    printText('');
    printTable(
      ['NOTE', ''],
      notes.map((note) => [note.code, note.text]),
    );
  }
}
