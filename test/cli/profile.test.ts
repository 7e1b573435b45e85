import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { Workbench, type ErrorDocument } from './support.js';

interface Check {
  readonly fits: boolean;
  readonly release: string;
  readonly findings: readonly { kind: string; what: string; neededFor?: string }[];
  readonly answers: readonly { answer: string; problem?: string }[];
}

let guest: SuspendedGuest;

beforeAll(async () => {
  guest = await suspendedGuest();
});

test('a profile is built, listed, shown and checked', async () => {
  using bench = new Workbench();
  const directory = bench.file('profiles');
  mkdirSync(directory);
  const { file } = await bench.document<{ file: string }>(
    ...['profile', 'build', '--memory', guest.memory, '--directory', directory, '--write', '--json'],
  );
  expect(existsSync(file)).toBe(true);
  const { profiles } = await bench.document<{ profiles: { path: string; buildId: string }[] }>(
    ...['profile', 'list', '--directory', directory, '--json'],
  );
  expect(profiles).toEqual([
    expect.objectContaining({ path: file, buildId: expect.stringMatching(/^[0-9a-f]{40}$/) as string }),
  ]);
  const shown = await bench.run('profile', 'show', file);
  expect(`${shown.stdout}\n`.replace(/\n+$/, '\n')).toBe(readFileSync(file, 'utf8'));

  for (const profile of [[], [file]]) {
    const check = await bench.document<Check>('profile', 'check', guest.memory, ...profile, '--json');
    expect(check).toMatchObject({ fits: true, findings: [] });
    expect(check.answers.filter(({ problem }) => problem !== undefined)).toEqual([]);
    expect(check.answers.map(({ answer }) => answer)).toContain('mounts');
  }
});

test('the kernel file gives the same profile, and half of the parts is a wrong use', async () => {
  using bench = new Workbench();
  const fromMemory = await bench.run('profile', 'build', '--memory', guest.memory);
  const fromFile = await bench.run('profile', 'build', `${guest.folder}/vmlinuz`);
  expect([fromFile.status, fromFile.stdout]).toEqual([0, fromMemory.stdout]);
  const half = await bench.run('profile', 'build', '--system-map', 'System.map', '--json');
  expect(half.status).toBe(2);
  expect((JSON.parse(half.stdout) as ErrorDocument).error.message).toContain('--btf');
});
