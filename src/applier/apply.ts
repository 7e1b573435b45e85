import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.js';
import { OuaError } from '../base/errors.js';
import { ResourceStack } from '../base/resources.js';
import { PlanReader } from '../plan/reader.js';
import { DirectoryTransport } from '../transport/directory.js';
import type { Delivery } from '../transport/transport.js';
import { endError, parseAgentLine, type AgentEnd, type AgentEvent } from './report.js';
import { writeStream } from './stream.js';
import { applyToVm, type VmEvent } from './vm.js';

/** Where a plan is applied: a paused VM, by its sockets, or the guest's tree in a directory of this host. */
export type ApplyTarget =
  | { readonly kind: 'qemu'; readonly qmp: string; readonly guestAgent: string }
  | { readonly kind: 'root'; readonly directory: string };

export type ApplyEvent =
  { readonly event: 'laid-out'; readonly steps: number; readonly bytes: number } | VmEvent | AgentEvent;

export interface ApplyOptions {
  readonly target: ApplyTarget;
  readonly onEvent?: (event: ApplyEvent) => void;
  /** Aborting asks the agent to stop: what it did is taken back, and `INTERRUPTED` is thrown. */
  readonly signal?: AbortSignal;
}

export interface ScriptResult {
  readonly step: number;
  readonly kind: 'script' | 'triggers';
  readonly seconds: number;
  readonly skipped: boolean;
  /** The last 64 KiB of what it said. */
  readonly output: string;
}

export interface ApplyResult {
  readonly steps: number;
  readonly scripts: readonly ScriptResult[];
  /** Directories that the update would have removed but that hold something. */
  readonly kept: readonly string[];
  /** From the guest's first instruction to the last change being safe on its disk. */
  readonly onlineSeconds: number;
  /** From the call to its return. */
  readonly totalSeconds: number;
}

/** Gathers what a run of the agent reports. */
export class ReplayLog {
  readonly scripts: ScriptResult[] = [];
  readonly kept: string[] = [];
  end: AgentEnd | undefined;
  readonly #onEvent: (event: ApplyEvent) => void;

  constructor(onEvent: (event: ApplyEvent) => void) {
    this.#onEvent = onEvent;
  }

  add(event: AgentEvent): void {
    if (event.event === 'end') this.end = event;
    if (event.event === 'step' && event.kind === 'files') this.kept.push(...event.kept);
    if (event.event === 'step' && event.kind !== 'files' && event.status !== 'failed')
      this.scripts.push({
        step: event.step,
        kind: event.kind,
        seconds: event.seconds,
        skipped: event.status === 'skipped',
        output: event.output,
      });
    this.#onEvent(event);
  }
}

/**
 * Applies a plan: all of it, or nothing. It reads the plan and nothing else of the planning.
 *
 * A VM must be paused. It is cut off from its networks before its first instruction runs, and gets them back
 * only after success. A plan can be applied once: afterwards its preconditions don't hold any more.
 *
 * @throws OuaError `PLAN_DAMAGED`, `PLAN_NEWER`, `PLAN_INCOMPLETE`; `WRONG_GUEST`, `PLAN_STALE`, `GUEST_BUSY`, `DISK_FULL`
 * before anything was changed; `VM_NOT_PAUSED`, `VM_UNREACHABLE`, `VM_REFUSED`; `ROLLED_BACK` or `INTERRUPTED` when the
 * guest has its old files back; `AGENT_FAILED` when it could not be brought back.
 */
export async function applyPlan(path: string, options: ApplyOptions): Promise<ApplyResult> {
  const started = performance.now();
  const { target, signal } = options;
  const onEvent = options.onEvent ?? (() => undefined);
  throwIfAborted(signal);
  await using resources = new ResourceStack();
  const folder = await mkdtemp(join(tmpdir(), 'ouassister-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const stream = join(folder, 'stream');
  const layout = layOut(path, stream);
  onEvent({ event: 'laid-out', ...layout });
  const log = new ReplayLog(onEvent);
  const onlineSeconds =
    target.kind === 'root'
      ? await applyToDirectory(target.directory, stream, log, signal)
      : await applyToVm(target, stream, (delivery) => replay(delivery, log, signal), onEvent, signal);
  return {
    steps: layout.steps,
    scripts: log.scripts,
    kept: log.kept,
    onlineSeconds,
    totalSeconds: (performance.now() - started) / 1000,
  };
}

function layOut(path: string, stream: string) {
  using plan = PlanReader.open(path);
  return writeStream(plan, stream);
}

async function applyToDirectory(
  directory: string,
  stream: string,
  log: ReplayLog,
  signal?: AbortSignal,
): Promise<number> {
  await using delivery = await new DirectoryTransport(directory).deliver(stream);
  const started = performance.now();
  await replay(delivery, log, signal);
  return (performance.now() - started) / 1000;
}

/** Runs the agent; when it is killed, runs it again to bring the guest back. */
async function replay(delivery: Delivery, log: ReplayLog, signal?: AbortSignal): Promise<void> {
  for await (const line of delivery.run('apply', signal)) log.add(parseAgentLine(line));
  if (log.end?.status === 'applied') return;
  if (log.end) throw endError(log.end);
  for await (const line of delivery.run('recover')) log.add(parseAgentLine(line));
  throw recoveryError(log.end);
}

function recoveryError(end: AgentEnd | undefined): OuaError {
  if (end?.status === 'recovered')
    return new OuaError(
      'ROLLED_BACK',
      'the agent was killed; the guest was brought back to whole files',
      'apply again: it is refused when the plan had been applied to its end',
    );
  return end
    ? endError({ ...end, status: 'stuck' })
    : new OuaError('AGENT_FAILED', 'the agent was killed twice', 'look into the guest, then apply again');
}
