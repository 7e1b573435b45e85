import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rpm } from '../../../../src/planner/package-managers/rpm/rpm.js';
import { buildRpm } from './rpmbuild.js';

/** A package with a file that its own version replaces, and one that stays as it is. */
const source = (version: string) => ({
  name: 'configured',
  spec: `Name: configured
Version: ${version}
Release: 1
Summary: A test
License: MIT
BuildArch: noarch
%description
A test.
%install
mkdir -p %{buildroot}/etc/configured
for name in replaced kept untouched; do echo "$name ${version}" > %{buildroot}/etc/configured/$name; done
%files
%config /etc/configured/replaced
%config(noreplace) /etc/configured/kept
%config /etc/configured/untouched
`,
});

let folder: string;
let root: string;
const versions: string[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oua-rpm-'));
  for (const version of ['1', '2']) versions.push(await buildRpm(folder, source(version)));
});
beforeEach(() => {
  root = mkdtempSync(join(folder, 'guest-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** The host's rpm on a tree of its own, with files. */
const inTree = (...args: string[]) =>
  execFileSync('rpm', ['--root', root, '--force-debian', '--nodeps', '--noscripts', ...args], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
const file = (name: string) => `/etc/configured/${name}`;
const edit = (name: string) => writeFileSync(join(root, file(name)), `${name} of the administrator\n`);
const text = (name: string) => readFileSync(join(root, file(name)), 'utf8');
const hash = (content: string) => createHash('sha256').update(`${content}\n`).digest('hex');

/** What is decided about the files whose names are given: the paths that an update has touched. */
function decisions(run: ReturnType<typeof rpm.follow>, ...names: string[]) {
  const tree = { root, touched: names.map(file), before: () => ({ type: 'absent' }) as const };
  return run.conffiles(tree).map(({ path, beside, ...rest }) => ({
    ...rest,
    path: path.toString(),
    beside: beside?.toString(),
  }));
}

test('what an upgrade replaces, and what it keeps, of files that the administrator has changed', () => {
  inTree('-i', versions[0]!);
  const run = rpm.follow(root);
  for (const name of ['replaced', 'kept']) edit(name);
  inTree('-U', versions[1]!);
  expect([text('replaced'), text('kept'), text('untouched')]).toEqual([
    'replaced 2\n',
    'kept of the administrator\n',
    'untouched 2\n',
  ]);
  const touched = ['replaced', 'replaced.rpmsave', 'kept.rpmnew', 'untouched'];
  expect(touched.every((name) => existsSync(join(root, file(name))))).toBe(true);
  expect(decisions(run, ...touched)).toEqual([
    {
      ...{ path: file('replaced'), package: 'configured', by: 'rpm', decision: 'install' },
      ...{ admin: hash('replaced of the administrator'), offered: hash('replaced 2') },
      beside: file('replaced.rpmsave'),
    },
    {
      ...{ path: file('kept'), package: 'configured', by: 'rpm', decision: 'keep' },
      ...{ admin: hash('kept of the administrator'), offered: hash('kept 2') },
      beside: file('kept.rpmnew'),
    },
  ]);
});

test('a file that was there before its package is kept beside', () => {
  execFileSync('rpmdb', ['--root', root, '--initdb']);
  const run = rpm.follow(root);
  mkdirSync(join(root, '/etc/configured'), { recursive: true });
  edit('replaced');
  inTree('-i', versions[1]!);
  expect(decisions(run, 'replaced', 'replaced.rpmorig')).toEqual([
    {
      ...{ path: file('replaced'), package: 'configured', by: 'rpm', decision: 'install' },
      ...{ admin: hash('replaced of the administrator'), offered: hash('replaced 2') },
      beside: file('replaced.rpmorig'),
    },
  ]);
});

test('a removal keeps what was changed, and that is no decision between two versions', () => {
  inTree('-i', versions[0]!);
  const run = rpm.follow(root);
  edit('replaced');
  inTree('-e', 'configured');
  expect(text('replaced.rpmsave')).toBe('replaced of the administrator\n');
  expect(decisions(run, 'replaced', 'replaced.rpmsave')).toEqual([]);
});
