import { chmodSync, chownSync, lstatSync, mkdirSync, utimesSync } from 'node:fs';
import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runTool } from '../../../src/base/command.js';
import { OuaError } from '../../../src/base/errors.js';
import { unmount } from '../../../src/native/mounts.js';
import { ResourceStack } from '../../../src/base/resources.js';
import { openDisk } from '../../../src/disk/open.js';
import { makeUpperStore } from '../../../src/shadow/fs/upper.js';
import { agentProgram } from '../../../src/transport/agent-program.js';
import type { LabGuest } from '../../lab/lab.js';
import type { Copy, Original } from '../copy.js';
import { Container } from './container.js';
import { agentFile, applyInside } from './apply-inside.js';

/** Bytes that a copy may write. */
const mostWritten = 8 * 2 ** 30;

export interface RootOriginal extends Original {
  /** A copy in which a plan has come to a program that fails, and that was left as it was then. Throws when none does. */
  stopped(plan: string): Promise<Copy>;
}

/** The disk of a suspended guest whose copies are containers, each over an overlay of its own. */
export async function openRootOriginal(guest: LabGuest, signal: AbortSignal): Promise<RootOriginal> {
  await using stack = new ResourceStack();
  const folder = await mkdtemp(join(tmpdir(), 'ouassister-oracle-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const [lower, shared] = [join(folder, 'lower'), join(folder, 'shared')];
  for (const path of [lower, shared]) mkdirSync(path);
  await copyFile(agentProgram(), join(shared, agentFile));
  const disk = stack.use(await openDisk(guest.disk, { signal }));
  const root = disk.fileSystems.find(({ uuid }) => uuid === guest.machine.rootUuid);
  if (!root) throw new OuaError('GUEST_MISMATCH', `${guest.disk} has no root`, 'build the guest again');
  stack.use(await root.mount(lower, signal));
  let copies = 0;
  const copy = () => openCopy(join(folder, `copy-${copies++}`), lower, shared, signal);
  const held = stack.move();
  return {
    disk: guest.disk,
    memory: guest.memory,
    reference: copy,
    async candidate(plan) {
      await using resources = new ResourceStack();
      const made = resources.use(await copy());
      const seconds = await applyInside(plan, made.container, shared, signal);
      resources.move();
      return { copy: made, seconds };
    },
    async stopped(plan) {
      await using resources = new ResourceStack();
      const made = resources.use(await copy());
      const failure: unknown = await applyInside(plan, made.container, shared, signal, 'stop').then(
        () => new Error('the plan did not stop'),
        (error: unknown) => error,
      );
      if (!(failure instanceof OuaError) || failure.code !== 'STOPPED') throw failure;
      resources.move();
      return made;
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

async function openCopy(
  folder: string,
  lower: string,
  shared: string,
  signal: AbortSignal,
): Promise<Copy & { readonly container: Container }> {
  await using stack = new ResourceStack();
  mkdirSync(folder);
  stack.defer(() => rm(folder, { recursive: true }));
  const begun = BigInt(Date.now()) * 1_000_000n;
  const store = stack.use(await makeUpperStore(folder, mostWritten));
  const [upper, work, root] = [join(store.path, 'upper'), join(store.path, 'work'), join(folder, 'root')];
  for (const path of [upper, work, root]) mkdirSync(path);
  copyAttributes(lower, upper);
  await runTool('mount', [
    ...['-i', '-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`],
    ...['-o', 'index=on,redirect_dir=on,metacopy=off,xino=on,volatile', 'overlay', root],
  ]);
  stack.defer(() => unmount(root));
  const container = stack.use(await Container.boot({ root, shared, signal }));
  const held = stack.move();
  return {
    begun,
    container,
    run: (argv, environment) => container.run(argv, environment),
    async end() {
      await container[Symbol.asyncDispose]();
      return root;
    },
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** The merged top directory shows the attributes of the upper one. */
function copyAttributes(from: string, to: string): void {
  const { uid, gid, mode, atime, mtime } = lstatSync(from);
  chownSync(to, uid, gid);
  chmodSync(to, mode & 0o7777);
  utimesSync(to, atime, mtime);
}
