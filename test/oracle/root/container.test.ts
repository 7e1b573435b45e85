import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { suspendedGuest } from '../../lab/suspended.js';
import type { Copy } from '../copy.js';
import { ContainerCgroup } from './container-cgroup.js';
import { openRootOriginal } from './original.js';

const guest = await suspendedGuest();
const { signal } = new AbortController();

/** Control groups of containers that a program made, and how many processes are in them. */
function containersOf(pid: number): { groups: number; processes: number } {
  const found = { groups: 0, processes: 0 };
  const visit = (folder: string) => {
    found.groups++;
    found.processes += readFileSync(join(folder, 'cgroup.procs'), 'latin1').split('\n').length - 1;
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) visit(join(folder, entry.name));
  };
  for (const hierarchy of ['', 'systemd', 'unified'].map((name) => join('/sys/fs/cgroup', name)))
    if (existsSync(hierarchy))
      for (const name of readdirSync(hierarchy))
        if (name.startsWith(`ouassister-oracle-${pid}-`)) visit(join(hierarchy, name));
  return found;
}

const nothing = { groups: 0, processes: 0 };
const words = async (copy: Copy, ...argv: string[]) => (await copy.run(argv)).stdout.trim();

test('a copy is booted by its own systemd, without a network, and leaves nothing', async () => {
  await using original = await openRootOriginal(guest, signal);
  {
    await using copy = await original.reference();
    expect(await words(copy, '/bin/cat', '/proc/1/comm')).toBe('systemd');
    expect(await words(copy, '/bin/systemctl', 'is-active', 'systemd-journald')).toBe('active');
    expect(await words(copy, '/bin/hostname')).toBe('guest');
    expect(await words(copy, '/bin/ls', '/sys/class/net')).toBe('lo');
    expect(containersOf(process.pid).processes).toBeGreaterThan(2);

    // What is written in it is in its tree, and in no other.
    await copy.run(['/bin/sh', '-c', 'echo here > /etc/of-this-copy']);
    const root = await copy.end();
    expect(readFileSync(join(root, 'etc/of-this-copy'), 'utf8')).toBe('here\n');
    expect(containersOf(process.pid)).toEqual(nothing);
  }
  await using other = await original.reference();
  expect((await other.run(['/bin/cat', '/etc/of-this-copy'])).exitStatus).toBe(1);
});

test('a container does not outlive a program that is killed, and its control groups go with the next one', async () => {
  const program = fileURLToPath(new URL('booted.js', import.meta.url));
  const folder = mkdtempSync(join(tmpdir(), 'oua-oracle-'));
  const env = { ...process.env, TMPDIR: folder };
  const child = spawn(process.execPath, [program], { stdio: ['ignore', 'pipe', 'inherit'], env });
  await once(child.stdout, 'data');
  const pid = child.pid!;
  expect(containersOf(pid).processes).toBeGreaterThan(2);
  child.kill('SIGKILL');
  await once(child, 'close');
  while (containersOf(pid).processes > 0) await sleep(50);
  expect(containersOf(pid).groups).toBeGreaterThan(0);
  await new ContainerCgroup()[Symbol.asyncDispose]();
  expect(containersOf(pid)).toEqual(nothing);
  // Its mounts were in a namespace of its own, so nothing stands in the way.
  rmSync(folder, { recursive: true });
});
