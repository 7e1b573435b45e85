import { throwIfAborted } from '../base/abort.js';
import { OuaError } from '../base/errors.js';
import type { GuestAnswers } from '../emulate/guest-calls.js';
import type { Guest } from '../guest/guest.js';
import { createSandbox, hiddenProcPath, stubPath, type SandboxFile } from '../sandbox/sandbox.js';
import type { ChangeCollector } from '../shadow/fs/collector.js';
import type { ShadowFs } from '../shadow/fs/open.js';
import type { ShadowProc } from '../shadow/proc/mount.js';
import { trace } from '../tracer/trace.js';
import type { Leftover } from '../tracer/tracer.js';
import { livePaths } from './live/table.js';
import type { OutputMarks } from './output-marks.js';
import { OutputTail } from './output-tail.js';
import type { PackageRun } from './package-managers/package-manager.js';
import type { Recorder } from './recorder.js';
import type { FailedScript } from './running-scripts.js';
import type { UpdateLog } from './update-log.js';

/** The surroundings that every command of an update shares. */
export interface Surroundings {
  readonly guest: Guest;
  /** What programs are told of the guest by system calls. */
  readonly answers: GuestAnswers;
  readonly shadow: ShadowFs;
  readonly proc: ShadowProc;
  readonly changes: ChangeCollector;
  readonly log: UpdateLog;
  readonly recorder: Recorder;
  readonly packages: readonly PackageRun[];
  readonly onLine: (line: string) => void;
  readonly marks: OutputMarks;
  /** Whether a full event record is wanted. */
  readonly audit: boolean;
  /** Whether programs that may touch the running system are asked about. */
  readonly live: boolean;
  /** Added to the environment of every command. */
  readonly environment: Readonly<Record<string, string>>;
  /** Host files that the command finds, read-only, beside the guest's. */
  readonly files?: readonly SandboxFile[];
  /** Seconds that a command may take. */
  readonly timeout: number;
  readonly signal: AbortSignal | undefined;
}

/** How a command of the update ended. */
export interface CommandEnd {
  /** As a shell shows it. */
  readonly exitStatus: number;
  readonly seconds: number;
  /** The last lines that it printed, and up to 200 of the script that failed. */
  readonly lines: readonly string[];
  /** The last script of it that failed, whether or not that made it fail. */
  readonly failed: FailedScript | undefined;
  /** Processes that it left running; they are dead now. */
  readonly leftovers: readonly Leftover[];
}

/**
 * Runs one command in a sandbox of its own over the shadow root, under the tracer, and has the recorder
 * write down what it does.
 *
 * @throws OuaError `UPDATE_FAILED` when it takes too long, `SANDBOX_FAILED`, `TRACE_FAILED`, `INTERRUPTED`
 */
export async function runCommand(argv: readonly string[], around: Surroundings): Promise<CommandEnd> {
  const limit = AbortSignal.timeout(around.timeout * 1000);
  const signal = AbortSignal.any(around.signal ? [around.signal, limit] : [limit]);
  const output = new OutputTail(around.onLine, (line) => around.marks.strip(line));
  try {
    return await runTraced(argv, around, output, signal);
  } catch (error) {
    if (!limit.aborted || around.signal?.aborted) throw error;
    throw new OuaError(
      'UPDATE_FAILED',
      `${argv.join(' ')} took more than ${around.timeout} s`,
      'see what it waits for, or give it more time with --timeout',
      { cause: error, output: output.lines.join('\n') },
    );
  }
}

async function runTraced(
  argv: readonly string[],
  around: Surroundings,
  output: OutputTail,
  signal: AbortSignal,
): Promise<CommandEnd> {
  const { guest, answers, shadow, proc, changes, log, recorder } = around;
  const started = performance.now();
  const failedBefore = recorder.failed;
  const begun = new Map<number, number>();
  recorder.beginCommand(argv);
  await using sandbox = await createSandbox({
    root: shadow.root,
    command: argv,
    hostname: guest.uts.nodename,
    proc: proc.directory,
    sharedMemory: shadow.sharedMemory,
    environment: around.environment,
    ...(around.files && { files: around.files }),
    lastPid: Math.max(...guest.processes().map((process) => process.pid)),
    signal,
  });
  const run = trace({
    command: sandbox.launcher,
    armed: 'later',
    stdio: ['ignore', output, output],
    ...answers,
    hiddenProc: hiddenProcPath,
    procServer: proc.thread,
    ...askedExecs(around),
    connects: around.live,
    effects: around.live || around.audit,
    onExec: (stop) => {
      // A script's caller stands still: all that it says comes after this.
      begun.set(stop.pid, output.position);
      return recorder.onExec(stop);
    },
    onEvent: (event) => {
      const { failed } = recorder;
      recorder.onTrace(event);
      if (recorder.failed && recorder.failed !== failed) output.mark(begun.get(recorder.failed.pid) ?? 0);
    },
    audit: around.audit,
    signal,
  });
  // Until it is awaited below: a run that fails early is reported by the step that notices first.
  run.result.catch(() => {});
  const launched = await run.command;
  throwIfAborted(signal);
  if (launched.exitStatus !== 0) throw sandbox.failure();
  const pid = sandbox.prepare();
  proc.attach(pid);
  // What setting up the sandbox leaves in the upper layer is not the update's.
  await changes.baseline();
  await run.arm(pid);
  await sandbox.start();
  const { exitStatus, leftovers } = await log.during(run.result);
  const seconds = (performance.now() - started) / 1000;
  await recorder.endCommand(exitStatus, seconds);
  const failed = recorder.failed === failedBefore ? undefined : recorder.failed;
  return { exitStatus, seconds, lines: output.lines, failed, leftovers };
}

/** Which programs the tracer asks about. */
function askedExecs({ packages, live }: Surroundings): { execPaths?: readonly string[] } {
  const asks = packages.map((run) => run.asks);
  const paths = asks.filter((each) => typeof each !== 'string').flat();
  return asks.includes('every program')
    ? {}
    : { execPaths: live ? [...paths, ...livePaths, stubPath] : paths };
}
