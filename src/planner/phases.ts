/**
 * The order of the paper that this program is named after: all scripts that come before files, all files, all other
 * scripts. It is there to be compared with the log's own order; docs/decisions/one-order.md tells where it goes wrong.
 */
import { directoriesAbove } from '../base/paths.js';
import type {
  ContentId,
  FileChange,
  FileState,
  LiveAction,
  Precondition,
  ScriptCall,
  ScriptKind,
  Step,
} from '../plan/model.js';
import { oneFileSet } from './one-file-set.js';

/** A log in phases. */
export interface PhasedLog {
  readonly steps: readonly Step[];
  /** By number in the log: the number of the step that it has become, or a part of. */
  readonly places: readonly number[];
}

/** What is at a path, as far as running it goes: a part of a {@link Precondition}. */
export interface Found {
  readonly type: Precondition['type'];
  readonly content?: ContentId;
}

/** What the guest has at a path before any change. */
export type GuestPaths = (path: Buffer) => Found;

/** On which side of the files. */
type Phase = 'before' | 'after';

/** Debian Policy 6.5 ff.; of RPM's scriptlets those that run before their package's files come, or go: rpm-scriptlets(7). */
const phaseOfKind: Readonly<Record<ScriptKind, Phase>> = {
  preinst: 'before',
  prerm: 'before',
  postinst: 'after',
  postrm: 'after',
  pretrans: 'before',
  pre: 'before',
  post: 'after',
  preun: 'before',
  postun: 'after',
  posttrans: 'after',
  preuntrans: 'before',
  postuntrans: 'after',
  triggerprein: 'before',
  triggerin: 'after',
  triggerun: 'before',
  triggerpostun: 'after',
  filetriggerin: 'after',
  filetriggerun: 'before',
  filetriggerpostun: 'after',
  transfiletriggerin: 'after',
  transfiletriggerun: 'before',
  transfiletriggerpostun: 'after',
  unknown: 'after',
};

/**
 * Brings a finished log into phases. Live actions go with the script that made them; those of no script come after the
 * files, as triggers do. All file sets become one.
 *
 * As in the paper, scripts that run at the replay are saved copies: where another file is at a script's path by then, or
 * none, a file set before the call puts the script there, and one after it brings back what was there. What else was
 * there at the call, such as the other control files of a package that is being unpacked, is not. Programs of live actions,
 * and interpreters, are expected to be those that the phase finds.
 */
export function inPhases(log: readonly Step[], guest: GuestPaths): PhasedLog {
  const steps: Step[] = [];
  const places: number[] = [];
  const changed = new ChangedPaths(guest);
  const phases = log.map((step) => phaseOf(step, log));
  const add = (number: number, step: Step, scene: Scene) => {
    const copy = step.kind === 'script' ? copyOf(step.call, scene) : undefined;
    if (copy) steps.push({ kind: 'files', changes: copy.put });
    places[number] = steps.length;
    steps.push(inScene(step, scene, places));
    if (copy) steps.push({ kind: 'files', changes: copy.tidy });
  };

  for (const [number, step] of log.entries()) {
    if (step.kind === 'files') for (const change of step.changes) changed.add(change);
    else if (phases[number] === 'before')
      add(number, step, (path) => (changed.get(path) ? guest(path) : undefined));
  }
  const changes = log.flatMap((step) =>
    step.kind === 'files' ? step.changes.map((change) => withOutputs(change, places)) : [],
  );
  for (const [number, step] of log.entries()) if (step.kind === 'files') places[number] = steps.length;
  if (changes.length > 0) steps.push({ kind: 'files', changes: oneFileSet(changes) });
  for (const [number, step] of log.entries())
    if (step.kind !== 'files' && phases[number] === 'after') add(number, step, (path) => changed.get(path));
  return { steps, places };
}

function phaseOf(step: Step, log: readonly Step[]): Phase {
  if (step.kind === 'script') return phaseOfKind[step.call.kind];
  if (step.kind !== 'action' || step.action.script === undefined) return 'after';
  return phaseOf(log[step.action.script]!, log);
}

/** What a step finds at a path in its phase; undefined: what was there when it happened. */
type Scene = (path: Buffer) => Found | undefined;

/** What the changes up to now have made of the paths that they are about. */
class ChangedPaths {
  readonly #guest: GuestPaths;
  readonly #found = new Map<string, Found>();

  constructor(guest: GuestPaths) {
    this.#guest = guest;
  }

  get(path: Buffer): Found | undefined {
    return this.#found.get(path.toString('latin1'));
  }

  add(change: FileChange): void {
    this.#found.set(change.path.toString('latin1'), this.#made(change));
  }

  #made(change: FileChange): Found {
    if (change.action === 'remove') return { type: 'absent' };
    if (change.action === 'put') return change.state;
    return this.get(change.to) ?? this.#guest(change.to);
  }
}

/** The same step, with references that hold in the new order. */
function inScene(step: Step, scene: Scene, places: readonly number[]): Step {
  if (step.kind === 'script') return { kind: 'script', call: callInScene(step.call, scene) };
  if (step.kind === 'action') return { kind: 'action', action: actionInScene(step.action, scene, places) };
  return step;
}

/** What a step prints can only get into a file that is put after it: of the others there is no place yet. */
function withOutputs(change: FileChange, places: readonly number[]): FileChange {
  if (change.action !== 'put' || !change.outputs) return change;
  const { outputs, ...rest } = change;
  const printed = outputs.flatMap(({ offset, step }) => {
    const place = places[step];
    return place === undefined ? [] : [{ offset, step: place }];
  });
  return { ...rest, ...(printed.length > 0 && { outputs: printed }) };
}

function callInScene(call: ScriptCall, found: Scene): ScriptCall {
  const sha256 = call.interpreter && found(call.path)?.content;
  return sha256 === undefined ? call : { ...call, interpreter: { ...call.interpreter!, sha256 } };
}

function actionInScene(action: LiveAction, found: Scene, places: readonly number[]): LiveAction {
  const script = action.script === undefined ? undefined : places[action.script];
  return { ...action, script, sha256: found(action.path)?.content ?? action.sha256 };
}

/** What puts a script's copy at its path and takes it away again; undefined: the script is there, or does not run. */
function copyOf({ path, content, runs, interpreter }: ScriptCall, found: Scene) {
  const there = found(path);
  if (runs === 'offline' || interpreter || !there || there.content === content) return undefined;
  const missing = directoriesAbove(path.toString('latin1'))
    .map((directory) => Buffer.from(directory, 'latin1'))
    .filter((directory) => found(directory)?.type === 'absent');
  const state = { ...copied, type: 'file', content } as const;
  const aside = there.type === 'absent' ? undefined : Buffer.concat([path, Buffer.from(asideSuffix)]);
  const put: FileChange[] = [
    ...missing.map((path) => ({ action: 'put', path, state: { ...copied, type: 'directory' } }) as const),
    ...(aside ? [{ action: 'link', path: aside, to: path } as const] : []),
    { action: 'put', path, state },
  ];
  const tidy: FileChange[] = [
    ...(aside ? [{ action: 'link', path, to: aside } as const] : []),
    { action: 'remove', path: aside ?? path },
    ...missing.reverse().map((path) => ({ action: 'remove', path }) as const),
  ];
  return { put, tidy };
}

/** Of another name that keeps what a copy stands in for. */
const asideSuffix = '.ouassister-aside';

const copied = { mode: 0o755, uid: 0, gid: 0, mtime: 'now', xattrs: [] } satisfies Partial<FileState>;
