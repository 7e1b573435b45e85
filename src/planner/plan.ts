import { existsSync } from 'node:fs';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { interrupted } from '../base/abort.js';
import { OuaError } from '../base/errors.js';
import { requireHost } from '../base/host.js';
import { version } from '../base/installation.js';
import { ResourceStack } from '../base/resources.js';
import type { DiskFormat } from '../disk/image.js';
import { openDisk, type Disk } from '../disk/open.js';
import { guestAnswers } from '../emulate/guest-calls.js';
import { GuestProcesses } from '../emulate/guest-process.js';
import { openGuest } from '../guest/open.js';
import type { Profile } from '../kernel/profile.js';
import { openMemory } from '../memory/open.js';
import type { Guest } from '../guest/guest.js';
import type { ChangeOrder, ConffileChoice, PackageChange, ScriptPolicy } from '../plan/model.js';
import { PlanWriter } from '../plan/writer.js';
import { ChangeCollector } from '../shadow/fs/collector.js';
import { openShadowFs } from '../shadow/fs/open.js';
import { readInShadow } from '../shadow/fs/read.js';
import { mountShadowProc, renderShadowProc, type RenderedProc } from '../shadow/proc/mount.js';
import { DiskFiles } from './disk-files.js';
import { FilesInUse } from './files-in-use.js';
import { AuditTrail } from './audit-trail.js';
import type { PlannerListener } from './events.js';
import { requireQuiet } from './guest-state.js';
import { guestIdentity } from './identity.js';
import { LiveCalls } from './live/live-calls.js';
import { memoryFilesNote } from './memory-files.js';
import { conffileNote } from './package-managers/configuration-files.js';
import { OutputMarks } from './output-marks.js';
import { presentPackageManagers } from './package-managers/present.js';
import { readPreseed, type Preseed } from './preseed.js';
import { Recorder } from './recorder.js';
import { runCommand, type CommandEnd } from './run-command.js';
import { requireSameMachine } from './same-machine.js';
import { UnwrittenData } from './unwritten-data.js';
import { UpdateLog } from './update-log.js';
import { WholeScripts } from './whole-scripts.js';

/** Seconds. */
const defaultTimeout = 3600;
/** How often planning may begin again; each time at least one more script is replayed whole. */
const maximumAttempts = 100;

export interface PlanOptions {
  /** Disk image, raw or qcow2. Read only. */
  readonly disk: string;
  /** Memory image. Read only. */
  readonly memory: string;
  /** Plan file to write; it appears only when the plan is complete. */
  readonly output: string;
  /** Commands to run in the shadow root, in order, each as an argv. */
  readonly commands: readonly (readonly string[])[];
  readonly memoryFormat?: string | undefined;
  /** Default: detected, and a disk that looks like neither is raw. */
  readonly diskFormat?: DiskFormat | undefined;
  /** Files that the disk image may be based on; a backing file that is not named is refused. */
  readonly backing?: readonly string[] | undefined;
  /** Seconds that each command may take. Default: an hour. */
  readonly timeout?: number | undefined;
  /** Default: `split`. */
  readonly policy?: ScriptPolicy | undefined;
  /** Default: `log`. `phases` is for comparison. */
  readonly order?: ChangeOrder | undefined;
  /** Whether the plan gets a full event record: what was done to which files, by whom and for which package. Default: no. */
  readonly audit?: boolean | undefined;
  /** Which version of a configuration file the guest's own configuration does not decide about is taken. Default: `keep`. */
  readonly conffiles?: ConffileChoice | undefined;
  /** A file of answers to debconf's questions, as debconf-set-selections(1) reads it. */
  readonly preseed?: string | undefined;
  readonly profile?: Profile | undefined;
  /** Where to look for the profile of the guest's kernel; without one it is derived. */
  readonly profileDirectory?: string | undefined;
  /** Where derived profiles are kept. */
  readonly profileCache?: string | undefined;
  readonly onEvent?: PlannerListener;
  readonly signal?: AbortSignal | undefined;
}

export interface PlanResult {
  /** Path of the plan file. */
  readonly plan: string;
  readonly policy: ScriptPolicy;
  readonly order: ChangeOrder;
  readonly packages: readonly PackageChange[];
  readonly scripts: number;
  /** What the replay does to the running system besides scripts that it runs. */
  readonly actions: number;
  readonly steps: number;
  /** Wall-clock seconds of all of it. */
  readonly seconds: number;
}

/**
 * Plans an update of a suspended guest: runs the commands in the guest's shadow and writes down what they do.
 * Neither the disk nor the memory image is written to. Needs root.
 *
 * @throws OuaError `USAGE` for a bad line of `preseed`, what opening either image throws, `GUEST_MISMATCH`, `GUEST_BUSY`,
 *   `GUEST_UNSYNCED`, `UPDATE_FAILED` when a command exits with anything but 0, `INTERRUPTED`, `DISK_FULL`. No plan file is
 *   left then.
 */
export async function planUpdate(options: PlanOptions): Promise<PlanResult> {
  try {
    return await planIn(options);
  } catch (error) {
    // Whatever broke first when everything was being ended: what counts is why.
    throw options.signal?.aborted ? interrupted(error) : error;
  }
}

async function planIn(options: PlanOptions): Promise<PlanResult> {
  const emit = options.onEvent ?? (() => {});
  const signal = options.signal;
  const abortable = signal ? { signal } : {};
  const started = performance.now();
  requireHost();
  if (existsSync(options.output))
    throw new OuaError(
      'FILE_EXISTS',
      `${options.output} exists`,
      'choose another --output, or remove the file',
    );
  await using stack = new ResourceStack();
  const preseed = options.preseed === undefined ? undefined : stack.use(await readPreseed(options.preseed));

  emit({ type: 'phase', phase: 'memory' });
  const memory = stack.use(await openMemory(options.memory, { format: options.memoryFormat }));
  const guest = stack.use(openGuest(memory, options));
  requireSameMachine(guest.uts);

  emit({ type: 'phase', phase: 'disk' });
  // It reads memory while what comes next waits for the host's programs most of the time.
  const rendered = renderShadowProc(guest);
  stack.defer(async () => void (await Promise.allSettled([rendered])));
  rendered.catch(() => {});
  const disk = stack.use(
    await openDisk(options.disk, {
      ...(options.diskFormat === undefined ? {} : { format: options.diskFormat }),
      backing: options.backing ?? [],
      ...abortable,
    }),
  );

  const whole = new WholeScripts();
  for (let attempt = 1; ; attempt++) {
    const known = whole.size;
    try {
      const result = await attemptPlan(options, { guest, disk, rendered, whole, preseed });
      return { ...result, seconds: (performance.now() - started) / 1000 };
    } catch (error) {
      if (whole.size === known || attempt === maximumAttempts || signal?.aborted) throw error;
      emit({ type: 'again', reason: error instanceof OuaError ? error.message : String(error) });
    }
  }
}

/** What is planned for, over all attempts. */
interface Subject {
  readonly guest: Guest;
  readonly disk: Disk;
  readonly rendered: Promise<RenderedProc>;
  readonly whole: WholeScripts;
  readonly preseed: Preseed | undefined;
}

/** Plans once, from the guest's own state on. */
async function attemptPlan(
  options: PlanOptions,
  { guest, disk, rendered, whole, preseed }: Subject,
): Promise<Omit<PlanResult, 'seconds'>> {
  const { policy = 'split', order = 'log', conffiles = 'keep', signal } = options;
  const emit = options.onEvent ?? (() => {});
  const abortable = signal ? { signal } : {};
  await using stack = new ResourceStack();
  emit({ type: 'phase', phase: 'shadow' });
  const directory = await mkdtemp(join(tmpdir(), 'ouassister-proc-'));
  stack.defer(() => rmdir(directory));
  const mounts = guest.reachableMounts();
  const shadow = stack.use(await openShadowFs({ disk, mounts, files: guest.files, ...abortable }));
  const proc = stack.use(await mountShadowProc({ guest, rendered: await rendered, directory, ...abortable }));
  const files = new DiskFiles(shadow.layers, mounts);
  const managers = presentPackageManagers(shadow.root);
  requireQuiet(shadow.root, managers, guest, files);
  preseed?.requireDebconf(shadow.root);
  const unwritten = new UnwrittenData(guest, files);
  unwritten.requireDatabases(
    shadow.root,
    managers.flatMap(({ databases }) => databases),
  );
  const runs = managers.map((manager) => manager.follow(shadow.root));
  const audited = options.audit ?? false;
  const writer = stack.use(
    PlanWriter.create(options.output, {
      guest: guestIdentity(guest, readInShadow(shadow.root, '/etc/machine-id', 64)),
      policy,
      order,
      audited,
      createdAt: new Date().toISOString(),
      createdBy: version,
    }),
  );
  const changes = new ChangeCollector(shadow);
  const audit = audited ? new AuditTrail(writer, runs) : undefined;
  const marks = new OutputMarks();
  const log = new UpdateLog({ writer, shadow, changes, marks, order, onEvent: emit });
  const processes = new GuestProcesses(guest);
  const live =
    policy === 'split'
      ? {
          calls: new LiveCalls(shadow.root, guest),
          inUse: new FilesInUse(guest),
          kernelWrites: (pid: number) => proc.takeRefusedWrites(pid),
        }
      : undefined;
  const recorder = new Recorder({
    ...{ writer, log, marks, packages: runs, onEvent: emit, live, whole, audit },
    onGone: (pids) => {
      proc.hide(pids);
      processes.hide(pids);
    },
  });
  const onLine = (text: string) => emit({ type: 'output', text });
  const timeout = options.timeout ?? defaultTimeout;
  const answers = guestAnswers(guest, (sent) => recorder.onSignal(sent), processes);
  const asks = { audit: audited, live: live !== undefined };
  const environment = Object.fromEntries(
    managers.flatMap((manager) => Object.entries(manager.conffileEnvironment?.(conffiles) ?? {})),
  );
  const around = {
    ...{ guest, answers, shadow, proc, changes, log, recorder, packages: runs },
    ...{ onLine, marks, ...asks, environment, timeout, signal },
  };

  emit({ type: 'phase', phase: 'update' });
  const answered = preseed ? [{ argv: preseed.command, files: [preseed.file] }] : [];
  for (const { argv, files } of [...answered, ...options.commands.map((argv) => ({ argv, files: [] }))]) {
    emit({ type: 'command', argv });
    const end = await runCommand(argv, { ...around, files });
    if (end.exitStatus !== 0) {
      recorder.blameScript();
      throw updateFailed(argv, end);
    }
    for (const { name, pid } of end.leftovers)
      writer.note({
        code: 'LEFTOVER',
        text: `${argv.join(' ')} left ${name} (pid ${pid}) running; it was ended`,
      });
  }

  emit({ type: 'phase', phase: 'finish' });
  recorder.finish();
  log.finish();
  unwritten.requireTouched(log.touched);
  const packages = runs.flatMap((run) => run.changes());
  writer.packages(packages);
  const tree = {
    ...{ root: shadow.root, touched: log.touched },
    before: (path: Buffer) => changes.lowerState(path),
  };
  const decisions = runs.flatMap((run) => run.conffiles(tree));
  for (const decision of decisions) writer.conffile(decision);
  for (const question of runs.flatMap((run) => run.questions())) writer.debconfQuestion(question);
  for (const read of proc.reads()) writer.procRead(read);
  for (const note of [
    unwritten.note(),
    memoryFilesNote(shadow.leftOut),
    ...runs.flatMap((run) => run.notes()),
    conffileNote(conffiles, decisions),
  ])
    if (note) writer.note(note);
  for (const { path, reason } of proc.absences)
    writer.note({ code: 'PROC_FILE_ABSENT', text: `${path} is not there: ${reason}` });
  if (proc.lost > 0)
    writer.note({ code: 'PROC_LOG_FULL', text: `${proc.lost} reads of /proc came too fast to be noted` });
  writer.finish();
  return {
    plan: options.output,
    policy,
    order,
    packages,
    scripts: recorder.scripts,
    actions: recorder.actions,
    steps: log.steps,
  };
}

function updateFailed(argv: readonly string[], { exitStatus, lines, failed }: CommandEnd): OuaError {
  const last = lines.findLast((line) => /^E:|error/i.test(line)) ?? lines.at(-1) ?? 'it printed nothing';
  const script = failed && [`${failed.package}.${failed.kind}`, ...failed.args].join(' ').trim();
  const why = failed ? `; the last script to fail was ${script}, with status ${failed.exitStatus}` : '';
  return new OuaError(
    'UPDATE_FAILED',
    `${argv.join(' ')} ended with status ${exitStatus}: ${last}${why}`,
    'the guest is untouched; see what the script says, and plan again, perhaps without that package',
    { output: lines.join('\n') },
  );
}
