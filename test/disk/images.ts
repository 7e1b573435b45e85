import { execFileSync } from 'node:child_process';
import { createHash, randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loopDevicesOf } from '../loop-devices.js';

/** Runs a host program, quietly. */
export function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** A directory of the test's own, gone with the test. */
export function temporaryDirectory(): { path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'ouassister-test-'));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) };
}

export function sparseFile(path: string, bytes: number): void {
  const fd = openSync(path, 'w');
  ftruncateSync(fd, bytes);
  closeSync(fd);
}

const MiB = 1 << 20;

export interface ImageOptions {
  /** Directory whose content it gets. */
  readonly tree?: string;
  readonly offset?: number;
  readonly size?: number;
  readonly type?: string;
}

/** Makes an ext4 file system in a (sparse) file and returns its UUID. */
export function makeFileSystem(image: string, options: ImageOptions = {}): string {
  const { tree, offset = 0, size = 32 * MiB, type = 'ext4' } = options;
  const uuid = randomUUID();
  const extended = `offset=${offset},lazy_itable_init=1`;
  const source = tree === undefined ? [] : ['-d', tree];
  const blocks = `${size / 1024}k`;
  run('mke2fs', '-q', '-F', '-t', type, '-U', uuid, '-E', extended, ...source, image, blocks);
  return uuid;
}

/** A disk with a GPT and one ext4 partition for each tree; returns their UUIDs. */
export function makePartitionedDisk(image: string, trees: readonly (string | undefined)[]): string[] {
  const size = 32 * MiB;
  sparseFile(image, trees.length * size + 2 * MiB);
  const lines = trees.map(() => `size=${size / 512}`).join('\n');
  execFileSync('sfdisk', ['--quiet', image], {
    input: `label: gpt\n${lines}\n`,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  return trees.map((tree, index) =>
    makeFileSystem(image, { offset: MiB + index * size, size, ...(tree !== undefined && { tree }) }),
  );
}

export function sha256(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex');
}

/** What a run of ours could leave behind on this host, by the names that we give to things. */
export function leftovers(folder: string): string[] {
  const mounts = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
  return [...mounts.filter((line) => line.includes(folder)), ...loopDevicesOf(folder)];
}
