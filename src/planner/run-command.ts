import { throwIfAborted } from '../base/abort.js';
import { packUts } from '../emulate/uts.js';
import type { Guest } from '../guest/guest.js';
import { createSandbox, hiddenProcPath } from '../sandbox/sandbox.js';
import type { ChangeCollector } from '../shadow/fs/collector.js';
import type { ShadowFs } from '../shadow/fs/open.js';
import type { ShadowProc } from '../shadow/proc/mount.js';
import { trace } from '../tracer/trace.js';
import type { Leftover } from '../tracer/tracer.js';
import { OutputTail } from './output-tail.js';
import type { Recorder } from './recorder.js';

/** The surroundings that every command of an update shares. */
export interface Surroundings {
  readonly guest: Guest;
  readonly shadow: ShadowFs;
  readonly proc: ShadowProc;
  readonly changes: ChangeCollector;
  readonly recorder: Recorder;
  readonly onLine: (line: string) => void;
  readonly signal: AbortSignal | undefined;
}

/** How a command of the update ended. */
export interface CommandEnd {
  /** As a shell shows it. */
  readonly exitStatus: number;
  readonly seconds: number;
  /** The last lines that it printed. */
  readonly lines: readonly string[];
  /** Processes that it left running; they are dead now. */
  readonly leftovers: readonly Leftover[];
}

/**
 * Runs one command in a sandbox of its own over the shadow root, under the tracer, and has the recorder
 * write down what it does.
 */
export async function runCommand(argv: readonly string[], around: Surroundings): Promise<CommandEnd> {
  const { guest, shadow, proc, changes, recorder, signal } = around;
  const started = performance.now();
  recorder.beginCommand(argv);
  await using sandbox = await createSandbox({
    root: shadow.root,
    command: argv,
    hostname: guest.uts.nodename,
    proc: proc.directory,
    lastPid: Math.max(...guest.processes().map((process) => process.pid)),
    ...(signal ? { signal } : {}),
  });
  const output = new OutputTail(around.onLine);
  const run = trace({
    command: sandbox.launcher,
    armed: 'later',
    stdio: ['ignore', output, output],
    uname: packUts(guest.uts),
    hiddenProc: hiddenProcPath,
    onExec: (stop) => recorder.onExec(stop),
    onEvent: (event) => recorder.onTrace(event),
    ...(signal ? { signal } : {}),
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
  const { exitStatus, leftovers } = await run.result;
  const seconds = (performance.now() - started) / 1000;
  await recorder.endCommand(exitStatus, seconds);
  return { exitStatus, seconds, lines: output.lines, leftovers };
}
