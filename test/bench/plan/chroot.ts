import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { runTool } from '../../../src/base/command.js';
import { OuaError } from '../../../src/base/errors.js';
import { unmount } from '../../../src/native/mounts.js';
import { ResourceStack } from '../../../src/base/resources.js';
import { openDisk } from '../../../src/disk/open.js';
import { sandboxEnvironment } from '../../../src/sandbox/config.js';
import { makeUpperStore } from '../../../src/shadow/fs/upper.js';
import type { LabGuest } from '../../lab/lab.js';

/** Bytes that a command may write. */
const mostWritten = 8 * 2 ** 30;

/** A guest's tree without the guest: its disk under a writable overlay, as the planner has it. */
export interface Chroot extends AsyncDisposable {
  /** Host path of its `/`. */
  readonly root: string;
  /** Host argv that runs a command in it, with a `/proc` and pids of its own. */
  readonly enter: (command: readonly string[]) => string[];
}

/**
 * Opens a guest's disk anew and lays an empty upper layer over it: like the planner's, its programs are not in the page
 * cache of this mount yet. As in any tree whose init does not run, policy-rc.d keeps scripts from starting daemons.
 *
 * @param folder where scratch files go
 */
export async function openChroot(guest: LabGuest, folder: string, signal: AbortSignal): Promise<Chroot> {
  await using stack = new ResourceStack();
  const scratch = mkdtempSync(join(folder, 'chroot-'));
  stack.defer(() => rm(scratch, { recursive: true }));
  const [lower, root] = [join(scratch, 'lower'), join(scratch, 'root')];
  for (const path of [lower, root]) mkdirSync(path);
  const disk = stack.use(await openDisk(guest.disk, { scratch, signal }));
  const fileSystem = disk.fileSystems.find(({ uuid }) => uuid === guest.machine.rootUuid);
  if (!fileSystem) throw new OuaError('GUEST_MISMATCH', `${guest.disk} has no root`, 'build the guest again');
  stack.use(await fileSystem.mount(lower, signal));
  const store = stack.use(await makeUpperStore(scratch, mostWritten));
  const [upper, work] = [join(store.path, 'upper'), join(store.path, 'work')];
  for (const path of [upper, work]) mkdirSync(path);
  chmodSync(upper, 0o755);
  await runTool('mount', [
    ...['-i', '-t', 'overlay', '-o', `lowerdir=${lower},upperdir=${upper},workdir=${work}`],
    ...['-o', 'index=on,redirect_dir=on,metacopy=off,xino=on,volatile', 'overlay', root],
  ]);
  stack.defer(() => unmount(root));
  writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const held = stack.move();
  return {
    root,
    enter: (command) => [
      ...['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', '--kill-child'],
      ...['--', 'sh', '-ec', entering, 'sh', root],
      ...['env', '-i', ...Object.entries(sandboxEnvironment).map(([name, value]) => `${name}=${value}`)],
      ...command,
    ],
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** The guest's own device nodes are on its disk. */
const entering =
  'mount -t proc proc "$1/proc" && mount -t devpts -o newinstance,ptmxmode=0666,gid=5 devpts "$1/dev/pts" && exec chroot "$@"';
