import { createHash } from 'node:crypto';
import type { SentSignal } from '../emulate/guest-signals.js';
import { OuaError } from '../base/errors.js';
import type { ScriptCall, TerminalStreams } from '../plan/model.js';
import type { PlanWriter } from '../plan/writer.js';
import { initPath, stubPath } from '../sandbox/sandbox.js';
import type { ExecDecision, ExecStop, TraceEvent } from '../tracer/tracer.js';
import type { AuditTrail } from './audit-trail.js';
import type { PlannerListener } from './events.js';
import type { LiveActions, LiveCalls } from './live/live-calls.js';
import type { OutputMarks } from './output-marks.js';
import type { PackageRun, ScriptExec } from './package-managers/package-manager.js';
import { Rehearsals } from './rehearsals.js';
import { RunningScripts, type FailedScript, type RunningScript } from './running-scripts.js';
import { standIn, type StandIn } from './stand-in.js';
import type { UpdateLog } from './update-log.js';
import { WholeScriptFinder, type WholeScriptFinderParts } from './whole-script-finder.js';
import type { WholeScripts } from './whole-scripts.js';

/** Far above any real script or its interpreter. */
const maximumScriptSize = 64 << 20;

/** Programs of ours in the sandbox, by themselves: they are no part of the update. */
const ours: ReadonlySet<string> = new Set([initPath, stubPath]);

/** latin1 keeps every byte of a name that is not UTF-8. */
const text = (name: Buffer): string => name.toString('latin1');

/** What a recorder writes to and reads from. */
export interface RecorderParts {
  readonly writer: PlanWriter;
  readonly log: UpdateLog;
  readonly marks: OutputMarks;
  readonly packages: readonly PackageRun[];
  readonly onEvent: PlannerListener;
  /** Policy `split`. Without it every script is deferred. */
  readonly live?: LiveParts | undefined;
  readonly whole: WholeScripts;
  /** These processes of the guest are not there after the action that was just recorded. */
  readonly onGone: (pids: ReadonlySet<number>) => void;
  /** Where the full event record goes, when one is wanted. */
  readonly audit?: AuditTrail | undefined;
}

/** What is known of the running system. */
interface LiveParts extends Pick<WholeScriptFinderParts, 'inUse' | 'kernelWrites'> {
  /** What becomes of programs that may touch it. */
  readonly calls: LiveCalls;
}

/** Actions of a program that runs offline first: they come after what it does to files. */
interface Pending {
  readonly pid: number;
  readonly record: (exitStatus: number) => void;
  exitStatus?: number;
}

/**
 * Turns what the tracer sees into the log of the plan, in the one order in which it happened.
 *
 * Policy `defer`: every maintainer script is recorded and redirected to a stub that exits 0. Policy `split`: scripts
 * run, but for those that have to be replayed whole, and what they do to the running system is recorded.
 */
export class Recorder {
  readonly #parts: RecorderParts;
  readonly #running = new RunningScripts();
  #command = 0;
  #scripts = 0;
  #actions = 0;
  /** Package managers whose scripts were left to the replay. */
  readonly #left = new Set<PackageRun>();
  /** Recorded script calls whose exec was not told yet, by its sequence. */
  readonly #recorded = new Map<number, RunningScript>();
  readonly #pending: Pending[] = [];
  readonly #finder: WholeScriptFinder | undefined;
  readonly #rehearsals: Rehearsals | undefined;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
    const { live, log, whole, onGone } = parts;
    if (!live) return;
    const known = { running: this.#running, live: live.calls };
    this.#finder = new WholeScriptFinder({
      ...known,
      inUse: live.inUse,
      kernelWrites: live.kernelWrites,
      whole,
    });
    this.#rehearsals = new Rehearsals({ ...known, discard: () => log.discard(), onGone });
  }

  /** Script calls recorded so far. */
  get scripts(): number {
    return this.#scripts;
  }

  /** Live actions recorded so far. */
  get actions(): number {
    return this.#actions;
  }

  /** The last script call that ran offline and did not end well. */
  get failed(): FailedScript | undefined {
    return this.#running.failed;
  }

  /** Handler for the tracer: called at execve(2) of scripts and of what may touch the running system, while the caller stands still. */
  async onExec(stop: ExecStop): Promise<ExecDecision> {
    const running = this.#running.of(stop.pid);
    if (running && this.#rehearsals?.includes(running)) return this.#rehearsals.onExec(stop, running);
    await this.#settle(stop);
    for (const run of this.#parts.packages) {
      const script = run.script(stop);
      // Package managers are root: what a user makes of a script is that user's, and the replay is root.
      if (script && stop.uids()[1] === 0) return this.#onScript(script, stop, run);
    }
    const verdict = this.#parts.live?.calls.decide(stop);
    if (!verdict) return { action: 'continue' };
    switch (verdict.kind) {
      case 'files':
        return { action: 'continue', ...(verdict.argv && { argv: verdict.argv }) };
      case 'answer':
        return standIn(verdict.status, verdict.output, verdict.errors);
      case 'live': {
        await this.#collect(stop);
        const terminal = terminalOf(stop, verdict.passedOn);
        return this.#replayed(this.#append(verdict.actions, stop, running, terminal), terminal);
      }
      case 'both':
        this.#parts.log.secrets.await(verdict.secrets, running);
        this.#pending.push({
          pid: stop.pid,
          record: (exitStatus) => {
            const actions = verdict.ended(exitStatus);
            if (actions) this.#append(actions, stop, running);
            this.#parts.log.secrets.made(verdict.secrets, actions !== undefined);
            this.#exposed();
          },
        });
        return { action: 'continue', ...(verdict.argv && { argv: verdict.argv }) };
      case 'whole':
        // A hook of the package manager's has the sandbox to look at, and can do no harm.
        if (running) this.#finder!.found(running, verdict.reason);
        this.#parts.writer.note({
          code: 'NOT_LIVE',
          text: `${stop.argv.map(text).join(' ')}: ran offline only, and no script asked for it: ${verdict.reason}`,
        });
        return { action: 'continue' };
    }
  }

  /** Listener for the tracer. A search of PATH attempts an execve in each directory: only what ran counts. */
  onTrace(event: TraceEvent): void {
    const { audit, writer } = this.#parts;
    const script = this.#scriptOf(event);
    const running = this.#running.of(event.pid);
    this.#finder?.look(event, this.#rehearsals?.includes(running) ? undefined : running);
    this.#rehearsals?.follow(event);
    this.#follow(event, script);
    audit?.onTrace(event, this.#command, script);
    if (event.type === 'exit')
      for (const each of this.#pending) if (each.pid === event.pid) each.exitStatus ??= event.exitStatus;
    if (event.type !== 'exec' || !event.call || ours.has(text(event.call.absolutePath))) return;
    const { pid, parent, redirected } = event;
    const { path, argv } = event.call;
    const number = writer.execution({ pid, parent, path, argv, command: this.#command, redirected });
    audit?.onExec(pid, this.#command, number);
  }

  /** The command has failed. When a script has that may have missed what was left to the replay, it has to run there. */
  blameScript(): void {
    this.#finder?.blame();
  }

  #follow(event: TraceEvent, script: RunningScript | undefined): void {
    const { failed } = this.#running;
    this.#running.follow(event, script);
    const fails = this.#running.failed !== failed && this.#running.failed;
    if (fails && this.#actions + this.#left.size > 0) this.#finder?.suspect(fails);
  }

  #scriptOf(event: TraceEvent): RunningScript | undefined {
    if ((event.type !== 'exec' && event.type !== 'exec-failed') || !event.call) return undefined;
    const script = this.#recorded.get(event.call.sequence);
    this.#recorded.delete(event.call.sequence);
    return script;
  }

  /** Listener for the answers from the guest. The replay does not send it: that is up to the scripts, which run then. */
  onSignal(sent: SentSignal): void {
    const { sender, signal, target } = sent;
    const { audit, log, writer } = this.#parts;
    const running = this.#running.of(sender);
    if (this.#rehearsals?.includes(running)) return;
    if (running) this.#finder?.found(running, `signal ${signal} to ${target.comm} (process ${target.pid})`);
    audit?.onSignal(sent, this.#command);
    writer.signal({
      command: this.#command,
      afterStep: log.steps > 0 ? log.steps - 1 : undefined,
      pid: sender,
      signal,
      target: target.pid,
      targetComm: target.comm,
    });
  }

  beginCommand(argv: readonly string[]): void {
    this.#recorded.clear();
    this.#command = this.#parts.writer.beginCommand(argv);
  }

  /** Ends the current command, of which nothing runs any more: what it changed since the last step becomes one. */
  async endCommand(exitStatus: number, seconds: number): Promise<void> {
    await this.#settle();
    await this.#collect();
    this.#parts.writer.endCommand(this.#command, exitStatus, seconds);
  }

  /** Ends the log: what scripts will have queued for other packages at the replay comes last. */
  finish(): void {
    for (const { closing } of this.#left) if (closing) this.#parts.log.append({ kind: closing });
  }

  async #onScript(script: ScriptExec, stop: ExecStop, run: PackageRun): Promise<ExecDecision> {
    const { live, whole, log } = this.#parts;
    const { kind, package: name, args, text: given } = script;
    // debconf's frontend executes the script that has called it, confmodule(3).
    const running = this.#running.of(stop.pid);
    if (running && running.package === name && running.kind === kind) return { action: 'continue' };
    const reason = whole.reason(script);
    const runs = live && reason === undefined ? 'offline' : 'replay';
    const input = runs === 'replay' ? await script.takeInput?.() : undefined;
    if (runs === 'replay') await stop.quiesce();
    const program = stop.readProgram(maximumScriptSize);
    // One that is not there: that call fails by itself, as it would in the guest.
    if (!program) return { action: 'continue' };
    if (runs === 'replay') await this.#collect();
    const content = await log.store(given?.bytes ?? program);
    const { argv, environment, cwd } = stop;
    const terminal = runs === 'replay' ? terminalOf(stop) : undefined;
    const call: ScriptCall = {
      ...{ kind, package: name, path: given?.program ?? stop.path, content },
      ...{ argv, environment, cwd, command: this.#command, runs },
      ...(reason !== undefined && { reason }),
      ...(given && { interpreter: { sha256: sha256(program), argument: given.argument } }),
      ...(input?.length && { input: await log.store(input) }),
      ...(terminal && { terminal }),
    };
    const step = log.append({ kind: 'script', call });
    const called = { kind, package: name, args, step };
    this.#recorded.set(stop.sequence, called);
    if (runs === 'offline') this.#finder?.begins(called);
    this.#scripts++;
    if (runs === 'replay') this.#left.add(run);
    this.#parts.onEvent({ type: 'script', step, call });
    if (runs === 'offline') return { action: 'continue' };
    const end = this.#replayed(step, terminal);
    // What it would read is the replay's.
    return this.#rehearsals && !call.input ? this.#rehearsals.begin(stop, step, end) : end;
  }

  /** Actions whose program has done its offline part by now. */
  async #settle(stop?: ExecStop): Promise<void> {
    const ended = this.#pending.filter((each) => each.exitStatus !== undefined);
    if (ended.length === 0) return;
    this.#pending.splice(0, Infinity, ...this.#pending.filter((each) => each.exitStatus === undefined));
    await this.#collect(stop);
    for (const each of ended) each.record(each.exitStatus!);
  }

  async #collect(stop?: ExecStop): Promise<void> {
    await stop?.quiesce();
    const changes = await this.#parts.log.collect();
    this.#finder?.collected(changes);
    this.#exposed();
  }

  /** What was to stay here is not where it was made, or not as it was: then all of it has to be made in the guest. */
  #exposed(): void {
    const exposed = this.#parts.log.secrets.exposed;
    if (!exposed) return;
    if (exposed.script) this.#finder!.found(exposed.script, exposed.reason);
    throw new OuaError(
      'UPDATE_FAILED',
      `no script asked for it: ${exposed.reason}`,
      'plan with --policy defer',
    );
  }

  #append(
    { rule, path, sha256, argvs, environment, gone }: LiveActions,
    { cwd }: ExecStop,
    running: RunningScript | undefined,
    terminal?: TerminalStreams,
  ): number {
    for (const argv of argvs) {
      const action = {
        ...{ rule, path, sha256, argv, environment, cwd, command: this.#command },
        script: running?.step,
        ...(terminal && { terminal }),
      };
      const step = this.#parts.log.append({ kind: 'action', action });
      this.#actions++;
      this.#parts.onEvent({ type: 'action', step, action });
    }
    this.#parts.onGone(gone);
    return this.#parts.log.steps - 1;
  }

  /** What runs at the replay instead prints then: a mark keeps the place on the terminal. */
  #replayed(step: number, terminal: TerminalStreams | undefined): StandIn {
    const mark = terminal ? this.#parts.marks.mark(step) : '';
    return terminal === 'errors' ? standIn(0, '', mark) : standIn(0, mark);
  }
}

/** @param passedOn whether what goes into a pipe gets to a terminal, too */
function terminalOf(stop: ExecStop, passedOn = false): TerminalStreams | undefined {
  const [output, errors] = [1, 2].map((number) => {
    const kind = stop.descriptor(number);
    return kind === 'terminal' || (passedOn && kind === 'pipe');
  });
  if (output && errors) return 'both';
  return output ? 'output' : errors ? 'errors' : undefined;
}

const sha256 = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
