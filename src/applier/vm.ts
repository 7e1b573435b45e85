import { OuaError } from '../base/errors.js';
import { ResourceStack } from '../base/resources.js';
import { isolate } from '../isolation/qmp-filter.js';
import { QemuTransport } from '../transport/qemu.js';
import { QmpClient } from '../qemu/qmp.js';
import type { Delivery } from '../transport/transport.js';

export type VmEvent =
  /** The networks that the guest is cut off from, by the names of their back ends. */
  | { readonly event: 'isolated'; readonly networks: readonly string[] }
  | { readonly event: 'resumed' }
  | { readonly event: 'network-restored' };

/** States of a VM that has been stopped and can go on from where it is (QMP, `RunState`). */
const pausedStates = new Set(['paused', 'prelaunch', 'postmigrate']);

/**
 * Resumes a paused VM cut off from its networks, replays, and gives it its networks back.
 *
 * @param replay plays the stream by means of the delivery; throws when it was not applied
 * @returns seconds from the resume to the end of the replay
 * @throws OuaError `VM_NOT_PAUSED` and those of the transport, the isolation and `replay`.
 */
export async function applyToVm(
  target: { readonly qmp: string; readonly guestAgent: string },
  stream: string,
  replay: (delivery: Delivery) => Promise<void>,
  onEvent: (event: VmEvent) => void,
  signal?: AbortSignal,
): Promise<number> {
  let onlineSeconds: number | undefined;
  try {
    await using resources = new ResourceStack();
    const qmp = resources.use(await QmpClient.connect(target.qmp, { signal }));
    await requirePaused(qmp);
    const isolation = await isolate(qmp);
    onEvent({ event: 'isolated', networks: isolation.networks });
    let delivery;
    try {
      delivery = resources.use(await new QemuTransport(qmp, target.guestAgent).deliver(stream, signal));
    } catch (error) {
      // It has not run: nothing can get out that could not before.
      await isolation.undo();
      throw error;
    }
    const started = performance.now();
    try {
      await qmp.execute('cont');
      onEvent({ event: 'resumed' });
      await replay(delivery);
    } catch (error) {
      if (delivery.started) throw stillIsolated(error, isolation.networks);
      // It is what it was before us, only that it runs.
      if (await isolation.undo()) onEvent({ event: 'network-restored' });
      throw error;
    }
    onlineSeconds = (performance.now() - started) / 1000;
    await isolation.lift();
    onEvent({ event: 'network-restored' });
  } catch (error) {
    throw onlineSeconds === undefined ? error : appliedBut(error);
  }
  return onlineSeconds;
}

/** Of the guest nothing is left to do: what failed is giving things back. */
function appliedBut(error: unknown): OuaError {
  const words = error instanceof Error ? error.message : String(error);
  const known = error instanceof OuaError ? error : undefined;
  return new OuaError(
    known?.code ?? 'HOST_FAILED',
    `the plan was applied, but ${words}`,
    known?.hint ??
      'look at the VM over QMP: its oua-filter objects, a disk whose serial number begins with oua-',
    { cause: error },
  );
}

async function requirePaused(qmp: QmpClient): Promise<void> {
  const { status } = await qmp.execute('query-status');
  if (!pausedStates.has(status))
    throw new OuaError(
      'VM_NOT_PAUSED',
      `the VM is '${status}', not paused`,
      'start it from its saved state with -S, or plan again from a new suspend: a VM that has run since is another one',
    );
}

function stillIsolated(error: unknown, networks: readonly string[]): unknown {
  if (!(error instanceof OuaError) || networks.length === 0) return error;
  return new OuaError(
    error.code,
    `${error.message}; the VM runs without its network (${networks.join(', ')})`,
    `${error.hint}; to give it its network back: object-del of the oua-filter objects over QMP`,
    { cause: error, output: error.output },
  );
}
