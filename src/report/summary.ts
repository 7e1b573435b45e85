import type { PlanReader } from '../plan/reader.js';
import type {
  ConffileDecision,
  FileChange,
  MergeFormat,
  ScriptCall,
  Step,
  StepOutput,
  TerminalStreams,
} from '../plan/model.js';

/** Everything a plan does to files, counted by what it does. */
export interface FileCounts {
  readonly put: number;
  readonly link: number;
  readonly remove: number;
  /** Bytes of regular files before compression. */
  readonly bytes: number;
}

/** Text of raw bytes: guest names and arguments need not be UTF-8, so what is not shows as U+FFFD. */
export function text(bytes: Buffer): string {
  return bytes.toString('utf8');
}

export function fileCounts(steps: Iterable<Step>): FileCounts {
  const counts = { put: 0, link: 0, remove: 0, bytes: 0 };
  for (const step of steps) {
    if (step.kind !== 'files') continue;
    for (const change of step.changes) {
      counts[change.action]++;
      if (change.action === 'put') counts.bytes += change.state.size ?? 0;
    }
  }
  return counts;
}

/** One script call as the reports print it. */
export interface ScriptRow {
  readonly step: number;
  readonly package: string;
  readonly kind: ScriptCall['kind'];
  readonly path: string;
  readonly argv: readonly string[];
  /** What comes after its own name. */
  readonly args: readonly string[];
  readonly environment: readonly string[];
  readonly cwd: string;
  readonly content: string;
  readonly command: number;
  readonly runs: ScriptCall['runs'];
  /** Why it runs at the replay after all. */
  readonly reason?: string;
  /** Which of its standard streams are a terminal. */
  readonly terminal?: TerminalStreams;
}

export function scriptRows(steps: Iterable<Step>): ScriptRow[] {
  return [...numbered(steps)].flatMap(([step, entry]) =>
    entry.kind === 'script'
      ? [
          {
            step,
            package: entry.call.package,
            kind: entry.call.kind,
            path: text(entry.call.path),
            argv: entry.call.argv.map(text),
            args: scriptArguments(entry.call),
            environment: entry.call.environment.map(text),
            cwd: text(entry.call.cwd),
            content: entry.call.content,
            command: entry.call.command,
            runs: entry.call.runs,
            ...(entry.call.reason !== undefined && { reason: entry.call.reason }),
            ...(entry.call.terminal && { terminal: entry.call.terminal }),
          },
        ]
      : [],
  );
}

/** An interpreter's script is named by the word that gives its file. */
function scriptArguments({ argv, interpreter }: ScriptCall): string[] {
  return argv.slice((interpreter?.argument ?? 0) + 1).map(text);
}

/** One live action as the reports print it. */
export interface ActionRow {
  readonly step: number;
  readonly rule: string;
  readonly path: string;
  readonly argv: readonly string[];
  readonly environment: readonly string[];
  readonly cwd: string;
  /** Which of its standard streams are a terminal. */
  readonly terminal?: TerminalStreams;
  readonly sha256: string;
  readonly command: number;
  /** `<package>.<kind>` of the script that does it, and its step. */
  readonly script?: string;
  readonly scriptStep?: number;
}

export function actionRows(steps: Iterable<Step>): ActionRow[] {
  const scripts = new Map<number, string>();
  const rows: ActionRow[] = [];
  for (const [step, entry] of numbered(steps)) {
    if (entry.kind === 'script') scripts.set(step, `${entry.call.package}.${entry.call.kind}`);
    if (entry.kind !== 'action') continue;
    const { script: scriptStep, path, argv, environment, cwd, ...rest } = entry.action;
    const script = scriptStep === undefined ? undefined : scripts.get(scriptStep);
    rows.push({
      step,
      ...rest,
      path: text(path),
      argv: argv.map(text),
      environment: environment.map(text),
      cwd: text(cwd),
      ...(scriptStep !== undefined && script !== undefined && { script, scriptStep }),
    });
  }
  return rows;
}

export interface FileRow {
  readonly step: number;
  readonly action: FileChange['action'];
  readonly path: string;
  readonly type?: string;
  readonly mode?: string;
  readonly uid?: number;
  readonly gid?: number;
  readonly size?: number;
  readonly content?: string;
  readonly target?: string;
  /** Of a database: it is merged with what the guest has changed in it meanwhile. */
  readonly merge?: MergeFormat;
  /** What steps print at the replay, and where in the content that belongs. */
  readonly outputs?: readonly StepOutput[];
}

export function fileRows(steps: Iterable<Step>): FileRow[] {
  return [...numbered(steps)].flatMap(([step, entry]) =>
    entry.kind === 'files' ? entry.changes.map((change) => fileRow(step, change)) : [],
  );
}

function fileRow(step: number, change: FileChange): FileRow {
  const about = { step, action: change.action, path: text(change.path) };
  if (change.action === 'link') return { ...about, target: text(change.to) };
  const row = { ...about, ...(change.merge && { merge: change.merge.format }) };
  if (change.action === 'remove') return row;
  const { type, mode, uid, gid, size, content, target } = change.state;
  return {
    ...row,
    type,
    mode: mode.toString(8).padStart(4, '0'),
    uid,
    gid,
    ...(size === undefined ? {} : { size }),
    ...(content === undefined ? {} : { content }),
    ...(target === undefined ? {} : { target: text(target) }),
    ...(change.outputs && { outputs: change.outputs }),
  };
}

/** One decision about a configuration file as the reports print it. */
export interface ConffileRow {
  readonly path: string;
  readonly package?: string;
  readonly by: ConffileDecision['by'];
  readonly decision: ConffileDecision['decision'];
  /** SHA-256 of the administrator's version, unless it was deleted, and of the package's. */
  readonly admin?: string;
  readonly offered: string;
  /** Where the version is that was not taken. */
  readonly beside?: string;
}

export function conffileRows(decisions: readonly ConffileDecision[]): ConffileRow[] {
  return decisions.map(({ path, package: name, by, decision, admin, offered, beside }) => ({
    path: text(path),
    ...(name !== undefined && { package: name }),
    ...{ by, decision },
    ...(admin !== undefined && { admin }),
    offered,
    ...(beside !== undefined && { beside: text(beside) }),
  }));
}

/** One line a step: what the replay will do, in order. */
export interface StepRow {
  readonly step: number;
  readonly kind: Step['kind'];
  readonly what: string;
}

export function stepRows(steps: Iterable<Step>): StepRow[] {
  return [...numbered(steps)].map(([step, entry]) => ({ step, kind: entry.kind, what: describe(entry) }));
}

function describe(step: Step): string {
  switch (step.kind) {
    case 'files': {
      const counts = fileCounts([step]);
      return `${counts.put} put, ${counts.link} linked, ${counts.remove} removed, ${counts.bytes} bytes`;
    }
    case 'script': {
      const { package: name, kind, runs } = step.call;
      const done = runs === 'offline' ? ['(done offline)'] : [];
      return [name, kind, ...scriptArguments(step.call), ...done].join(' ');
    }
    case 'action':
      return step.action.argv.map(text).join(' ');
    case 'triggers':
      return 'dpkg --triggers-only --pending';
  }
}

function* numbered(steps: Iterable<Step>): Generator<[number, Step]> {
  let number = 0;
  for (const step of steps) yield [number++, step];
}

/** The head of a plan: what it is for, what it changes, how much. */
export function summary(plan: PlanReader) {
  const files = fileCounts(plan.steps());
  const scripts = scriptRows(plan.steps());
  const actions = actionRows(plan.steps()).length;
  const conffiles = plan.conffiles();
  return {
    ...plan.header,
    commands: plan.commands(),
    packages: plan.packages(),
    counts: {
      ...files,
      scripts: scripts.length,
      /** Of them, those that the replay runs. */
      replayed: scripts.filter(({ runs }) => runs === 'replay').length,
      actions,
      signals: plan.signals().length,
      /** Configuration files of which the administrator's version was kept, and those of which it was not. */
      conffilesKept: conffiles.filter(({ decision }) => decision === 'keep').length,
      conffilesInstalled: conffiles.filter(({ decision }) => decision === 'install').length,
      questions: plan.debconfQuestions().length,
      steps: [...plan.steps()].length,
    },
    notes: plan.notes(),
  };
}
