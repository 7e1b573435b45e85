import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.js';
import { ResourceStack } from '../base/resources.js';
import { PlanReader } from '../plan/reader.js';
import { DirectoryTransport } from '../transport/directory.js';
import type { Delivery } from '../transport/transport.js';
import { replay, ReplayLog, type ScriptResult } from './replay.js';
import type { AgentEvent } from './report.js';
import { writeStream, type OnFailure } from './stream.js';
import { applyToVm, type VmEvent } from './vm.js';

/** Where a plan is applied: a paused VM, by its sockets, or the guest's tree in a directory of this host. */
export type ApplyTarget =
  | { readonly kind: 'qemu'; readonly qmp: string; readonly guestAgent: string }
  | { readonly kind: 'root'; readonly directory: string };

export type ApplyEvent =
  { readonly event: 'laid-out'; readonly steps: number; readonly bytes: number } | VmEvent | AgentEvent;

export interface ApplyOptions {
  readonly target: ApplyTarget;
  /** Default: `rollback`. */
  readonly onFailure?: OnFailure;
  readonly onEvent?: (event: ApplyEvent) => void;
  /** Aborting asks the agent to stop: what it did is taken back, and `INTERRUPTED` is thrown. */
  readonly signal?: AbortSignal;
}

export interface ApplyResult {
  readonly steps: number;
  readonly scripts: readonly ScriptResult[];
  /** Directories that the update would have removed but that hold something. */
  readonly kept: readonly string[];
  /** Paths at which scripts had put another content than the plan knew, before the plan changed them again. */
  readonly overwritten: readonly string[];
  /** Databases that were changed in the guest meanwhile: they have the plan's changes and the guest's. */
  readonly merged: readonly string[];
  /** From the guest's first instruction to the last change being safe on its disk. */
  readonly onlineSeconds: number;
  /** From the call to its return. */
  readonly totalSeconds: number;
}

/**
 * Applies a plan: all of it, or nothing, unless it is to stop at a script or live action that fails. It reads the plan and nothing else of the planning.
 *
 * A VM must be paused. It is cut off from its networks before its first instruction runs, and gets them back
 * only after success. A plan can be applied once: afterwards its preconditions don't hold any more.
 *
 * @throws OuaError `PLAN_DAMAGED`, `PLAN_NEWER`, `PLAN_INCOMPLETE`; `WRONG_GUEST`, `PLAN_STALE`, `GUEST_BUSY`, `DISK_FULL`
 * before anything was changed; `VM_NOT_PAUSED`, `VM_UNREACHABLE`, `VM_REFUSED`; `ROLLED_BACK`, `MERGE_CONFLICT` or
 * `INTERRUPTED` when the plan's paths are what they were (what scripts did elsewhere is not undone); `STOPPED` when it stopped at a failure, as chosen; `AGENT_FAILED` when they could not be
 * brought back, or when it is not known whether they were.
 */
export async function applyPlan(path: string, options: ApplyOptions): Promise<ApplyResult> {
  const started = performance.now();
  const { target, signal, onFailure = 'rollback' } = options;
  const onEvent = options.onEvent ?? (() => undefined);
  throwIfAborted(signal);
  await using resources = new ResourceStack();
  const folder = await mkdtemp(join(tmpdir(), 'ouassister-'));
  resources.defer(() => rm(folder, { recursive: true, force: true }));
  const stream = join(folder, 'stream');
  const { digest, layout } = layOut(path, stream, onFailure);
  onEvent({ event: 'laid-out', ...layout });
  const log = new ReplayLog(onEvent);
  const play = (delivery: Delivery) => replay(delivery, { digest, steps: layout.steps }, log, signal);
  const onlineSeconds =
    target.kind === 'root'
      ? await applyToDirectory(target.directory, stream, play)
      : await applyToVm(target, stream, play, onEvent, signal);
  return {
    steps: layout.steps,
    scripts: log.scripts,
    kept: log.kept,
    overwritten: log.overwritten,
    merged: [...log.merged],
    onlineSeconds,
    totalSeconds: (performance.now() - started) / 1000,
  };
}

function layOut(path: string, stream: string, onFailure: OnFailure) {
  using plan = PlanReader.open(path);
  return { digest: plan.digest, layout: writeStream(plan, stream, onFailure) };
}

async function applyToDirectory(
  directory: string,
  stream: string,
  play: (delivery: Delivery) => Promise<void>,
): Promise<number> {
  await using delivery = await new DirectoryTransport(directory).deliver(stream);
  const started = performance.now();
  await play(delivery);
  return (performance.now() - started) / 1000;
}
