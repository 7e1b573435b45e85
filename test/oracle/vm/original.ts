import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyPlan } from '../../../src/applier/apply.js';
import { OuaError } from '../../../src/base/errors.js';
import { ResourceStack } from '../../../src/base/resources.js';
import { openDisk } from '../../../src/disk/open.js';
import { openGuest } from '../../../src/guest/open.js';
import { openMemory } from '../../../src/memory/open.js';
import { GuestAgent } from '../../../src/transport/guest-agent.js';
import { endMachine } from '../../lab/machine.js';
import type { LabGuest } from '../../lab/lab.js';
import { TemporaryLab } from '../../lab/suspended.js';
import type { Copy, Original } from '../copy.js';

/** How long a command may take in an emulated guest: a hang guard. */
const patienceMs = 3_600_000;

/**
 * A PostgreSQL that was started gets to each database within a minute (`autovacuum_naptime`), and leaves files there. That is
 * over when an update in the guest ends, and has hardly begun when a replay does.
 */
const settled = `if find /run/postgresql -name '*.pid' -mmin -1.3 2>/dev/null | grep -q .; then sleep 80; fi`;

/** A suspended VM whose copies are VMs that go on from its saved state. */
export async function openVmOriginal(guest: LabGuest, signal: AbortSignal): Promise<Original> {
  await using stack = new ResourceStack();
  const lab = stack.use(await TemporaryLab.open());
  const begun = await suspendedAt(guest);
  let copies = 0;
  const copy = async (paused: boolean) => {
    const { name } = await lab.copy(guest, `copy-${copies++}`);
    return openCopy(lab, await lab.resume(name, { paused }), begun, signal);
  };
  const held = stack.move();
  return {
    disk: guest.disk,
    memory: guest.memory,
    reference: () => copy(false),
    async candidate(plan) {
      await using resources = new ResourceStack();
      const made = resources.use(await copy(true));
      const target = { kind: 'qemu', qmp: made.guest.qmp, guestAgent: made.guest.agent } as const;
      const { onlineSeconds } = await applyPlan(plan, { target, signal });
      resources.move();
      return { copy: made, seconds: onlineSeconds };
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** Nanoseconds since the epoch, by the guest's clock. */
async function suspendedAt(guest: LabGuest): Promise<bigint> {
  using memory = await openMemory(guest.memory);
  using opened = openGuest(memory);
  return BigInt(Math.floor(opened.wallClock() * 1000)) * 1_000_000n;
}

function openCopy(
  lab: TemporaryLab,
  guest: LabGuest,
  begun: bigint,
  signal: AbortSignal,
): Copy & { readonly guest: LabGuest } {
  const stack = new ResourceStack();
  stack.defer(() => lab.down(guest.name));
  return {
    begun,
    guest,
    async run([path, ...args], environment) {
      using agent = await GuestAgent.connect(guest.agent, { timeoutMs: patienceMs, signal });
      const env = environment && Object.entries(environment).map(([name, value]) => `${name}=${value}`);
      const exit = await agent.run(
        { path: path!, args, ...(env && { env }) },
        { timeoutMs: patienceMs, signal },
      );
      return {
        exitStatus: exit.exitCode ?? 128 + (exit.signal ?? 0),
        stdout: exit.stdout.toString(),
        stderr: exit.stderr.toString(),
      };
    },
    async end() {
      await lab.exec(guest.name, { path: 'sh', args: ['-c', `${settled}; sync`] });
      await endMachine(guest.folder);
      return showFiles(guest, stack, signal);
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

async function showFiles(guest: LabGuest, stack: ResourceStack, signal: AbortSignal): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ouassister-oracle-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const disk = stack.use(await openDisk(guest.disk, { signal }));
  const root = disk.fileSystems.find(({ uuid }) => uuid === guest.machine.rootUuid);
  if (!root) throw new OuaError('GUEST_MISMATCH', `${guest.disk} has no root`, 'build the guest again');
  const at = join(folder, 'root');
  await mkdir(at);
  stack.use(await root.mount(at, signal));
  return at;
}
