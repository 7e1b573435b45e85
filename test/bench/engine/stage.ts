import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { mkdtemp, rmdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { runTool } from '../../../src/base/command.js';
import { unmount } from '../../../src/native/mounts.js';
import { ResourceStack } from '../../../src/base/resources.js';
import { openDisk } from '../../../src/disk/open.js';
import type { Guest } from '../../../src/guest/guest.js';
import { openGuest } from '../../../src/guest/open.js';
import { openMemory } from '../../../src/memory/open.js';
import { openShadowFs, type ShadowFs } from '../../../src/shadow/fs/open.js';
import { mountShadowProc, type ShadowProc } from '../../../src/shadow/proc/mount.js';
import type { Say } from '../../lab/cache.js';
import { suspendedGuest } from '../../lab/suspended.js';

/** The lab's suspended guest, opened as the planner opens one. */
export interface Stage extends AsyncDisposable {
  /** Tells this guest from one of another recipe. */
  readonly name: string;
  readonly guest: Guest;
  readonly proc: ShadowProc;
  /** A shadow root with nothing in its upper layer. */
  readonly freshRoot: () => Promise<ShadowFs>;
}

/** Opens guest, disk and shadow proc. The first time, the guest itself is made: some minutes. */
export async function openStage(say: Say, signal: AbortSignal): Promise<Stage> {
  await using stack = new ResourceStack();
  const suspended = await suspendedGuest({}, say);
  const memory = stack.use(await openMemory(suspended.memory));
  const guest = stack.use(openGuest(memory));
  const disk = stack.use(await openDisk(suspended.disk, { signal }));
  const directory = await mkdtemp(join(tmpdir(), 'ouassister-bench-proc-'));
  stack.defer(() => rmdir(directory));
  const proc = stack.use(await mountShadowProc({ guest, directory, signal }));
  const held = stack.move();
  return {
    name: basename(dirname(suspended.folder)),
    guest,
    proc,
    freshRoot: () => openShadowFs({ disk, mounts: guest.reachableMounts(), signal }),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** Where the bench's archive shows up in the shadow root. */
export const archiveInside = '/var/local/bench-archive';

/**
 * Makes an archive on the host the only one that the guest's apt knows, and keeps package scripts from starting
 * daemons, as in any tree whose init does not run. The lab's guest is ours: its directories are what they seem.
 */
export async function offerArchive(shadow: ShadowFs, archive: string): Promise<AsyncDisposable> {
  const inside = (path: string) => join(shadow.root, path);
  rmSync(inside('etc/apt/sources.list.d'), { recursive: true });
  mkdirSync(inside('etc/apt/sources.list.d'));
  writeFileSync(
    inside('etc/apt/sources.list.d/bench.sources'),
    `Types: deb\nURIs: file:${archiveInside}\nSuites: ./\nTrusted: yes\n`,
  );
  writeFileSync(inside('usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  mkdirSync(inside(archiveInside));
  await runTool('mount', ['--bind', '-o', 'ro', archive, inside(archiveInside)]);
  return { [Symbol.asyncDispose]: () => Promise.resolve(unmount(inside(archiveInside))) };
}
