import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PlanReader } from '../../../../src/plan/reader.js';
import type { ScriptRow } from '../../../../src/report/summary.js';
import { scriptRows } from '../../../../src/report/summary.js';
import { localRepository } from '../../../lab/rpms.js';
import { plainSuspendedGuest } from '../../../lab/suspended.js';
import { runCase, type Update } from '../../../oracle/case.js';
import type { Original } from '../../../oracle/copy.js';
import { Judge, type AllowedDifference } from '../../../oracle/judge.js';
import { openRootOriginal } from '../../../oracle/root/original.js';
import { planVariant, type Variant } from '../../../oracle/variant.js';

/** What two runs of one update do not agree on, and what the replay of one does not say the same of. */
const allowed: readonly AllowedDifference[] = [
  {
    path: '/**systemd-private-*',
    aspects: ['presence'],
    why: 'services with PrivateTmp get random names there',
  },
  { path: '/var/log/journal/**', aspects: ['presence', 'content', 'xattrs'], why: 'the journal of a boot' },
  { path: '/var/log/wtmp', aspects: ['content'], why: 'the time of the boot' },
  { path: 'live:run/systemd/**', aspects: ['presence', 'content'], why: 'random ids of a boot' },
  { path: '/var/lib/rpm/rpmdb.sqlite*', aspects: ['content'], why: 'the times of installations' },
  { path: '/var/lib/dnf/history.sqlite*', aspects: ['content'], why: 'the time of the transaction' },
  { path: '/var/log/dnf*.log', aspects: ['content'], why: 'times' },
  { path: '/var/log/hawkey.log', aspects: ['content'], why: 'times' },
  { path: '/var/cache/ldconfig/aux-cache', aspects: ['content'], why: 'inode numbers and times' },
  // The replay puts a file that was written to in place anew.
  ...['/var/log', '/var/lib', '/var/lib/rpm', '/var/lib/lab-watcher', '/var/local/rpms'].map((path) => ({
    path,
    aspects: ['mtime' as const],
    why: 'a file in it was replaced by a rename',
  })),
  { path: '/var/cache/dnf/**', aspects: ['mtime'], why: 'as above' },
];

const packageFiles = ['lab-service-2', 'lab-data-2'].map((name) => `${localRepository}/${name}.rpm`);
const split = { policy: 'split', order: 'log' } as const;
const defer = { policy: 'defer', order: 'log' } as const;

let folder: string;
let original: Original;
const { signal } = new AbortController();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oua-rpm-'));
  const guest = await plainSuspendedGuest({ recipe: { rpm: true, pending: [], repacked: [] } }, () => {});
  original = await openRootOriginal(guest, signal);
});

afterAll(async () => {
  await original[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

async function plannedScripts(variant: Variant, command: readonly string[]): Promise<ScriptRow[]> {
  const plan = join(folder, 'scripts');
  await planVariant(variant, original, command, plan, signal);
  try {
    using reader = PlanReader.open(plan);
    return scriptRows(reader.steps());
  } finally {
    rmSync(plan);
  }
}

test.each([
  ['an upgrade', ['rpm', '-U', ...packageFiles]],
  ['a removal', ['rpm', '-e', 'lab-service', 'lab-data']],
])('the scriptlets of %s have the names that rpm itself says when it is asked to', async (_what, command) => {
  await using copy = await original.reference();
  const { exitStatus, stderr } = await copy.run([...command, '-vv']);
  expect(exitStatus).toBe(0);
  // "D: %triggerin(lab-watcher-1-1.noarch): execv(/bin/sh) pid 812"
  const inside = [...stderr.matchAll(/^D: %(\w+)\((.+)-[^-]+-[^-]+\): execv\((\S+)\) pid /gm)].map(
    // What is `%pre` in a spec file has this name inside of rpm.
    ([, kind, name, program]) => `${name} ${kind === 'prein' ? 'pre' : kind} ${program}`,
  );
  const planned = await plannedScripts(split, command);
  expect(inside.length).toBeGreaterThan(5);
  expect(planned.map(({ package: name, kind, argv }) => `${name} ${kind} ${argv[0]}`)).toEqual(inside);
  expect(planned.map(({ runs }) => runs)).toEqual(inside.map(() => 'offline'));
});

const update = (operation: Update['operation'], ...names: string[]): Update => ({
  ...{ package: names.join(' '), operation, guest: 'root' },
  command: ['dnf', '-y', operation, ...names],
});

test.each([
  // Triggers, file triggers, Perl, Lua, and a service that is tried to be restarted.
  [update('upgrade'), [split, defer]],
  // Its %post can only run in the guest.
  [update('install', 'lab-mounter'), [split]],
  // Stops and disables a service; makes a user, whose file the package has; enables and starts it again.
  [
    {
      ...update('install', 'lab-service'),
      command: ['sh', '-ec', 'dnf -y remove lab-service; userdel labsvc; dnf -y install lab-service'],
    },
    [split],
  ],
])('%j by plans with %j leaves what dnf leaves', async (what, variants) => {
  const results = [];
  const judge = new Judge(allowed);
  for await (const result of runCase(what, variants, { original, judge, folder, signal }))
    results.push(result);
  const identical = { result: 'identical', differences: [], unsteady: [] };
  expect(results).toMatchObject(variants.map((variant) => ({ ...variant, ...identical })));
});
