import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ResourceStack } from '../base/resources.js';
import { agentProgram } from './agent-program.js';
import { GuestAgent } from './guest-agent.js';
import { GuestRun } from './guest-run.js';
import { plugDisk } from './hot-plug.js';
import { buildImage } from './image.js';
import type { QmpClient } from '../qemu/qmp.js';
import type { Delivery, Transport } from './transport.js';

/** A guest that was suspended may need a moment until its agent answers. */
const wakeUpMs = 120_000;

/**
 * A guest in QEMU: agent and stream come on a small read-only disk that is plugged in, and are run through the
 * guest agent. No network is involved.
 */
export class QemuTransport implements Transport {
  readonly #qmp: QmpClient;
  readonly #guestAgent: string;

  /** @param guestAgent path of the guest agent's socket */
  constructor(qmp: QmpClient, guestAgent: string) {
    this.#qmp = qmp;
    this.#guestAgent = guestAgent;
  }

  /**
   * Plugs the disk in, which works while the VM is paused too: the guest finds it when it goes on.
   *
   * @throws OuaError `VM_REFUSED` when QEMU has no free slot or can't read the image.
   */
  async deliver(stream: string, signal?: AbortSignal): Promise<Delivery> {
    await using resources = new ResourceStack();
    const folder = await mkdtemp(join(tmpdir(), 'ouassister-disk-'));
    resources.defer(() => rm(folder, { recursive: true, force: true }));
    const image = await buildImage(folder, agentProgram(), stream, signal);
    // 20 characters at most: the serial number of a virtio disk.
    const serial = `oua-${randomBytes(8).toString('hex')}`;
    let guest: GuestRun | undefined;
    const disk = await plugDisk(this.#qmp, image, serial);
    // Pulled from under a running agent, it would be the end of that, half way.
    resources.defer(async () => (guest?.running ? undefined : disk[Symbol.asyncDispose]()));
    const held = resources.move();
    const open = async (): Promise<GuestRun> => {
      const agent = held.use(await GuestAgent.connect(this.#guestAgent, { timeoutMs: wakeUpMs, signal }));
      return (guest = held.use(await GuestRun.mount(agent, serial)));
    };
    return {
      get started() {
        return guest?.started ?? false;
      },
      run: async function* (command, runSignal) {
        yield* (guest ?? (await open())).run(command, runSignal);
      },
      [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
    };
  }
}
