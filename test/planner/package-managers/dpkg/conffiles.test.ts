import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import type { ConffileChoice, ConffileDecision, Precondition } from '../../../../src/plan/model.js';
import {
  conffileDecisions,
  conffileEnvironment,
  parseConffiles,
  readStatusText,
} from '../../../../src/planner/package-managers/dpkg/conffiles.js';

let folder: string;
let root: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-conffiles-'));
  root = join(folder, 'root');
});
afterEach(() => rmSync(folder, { recursive: true }));

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}

/** The system's dpkg, on the tree. Configuration files of the host's have their say as a guest's would. */
function dpkg(args: readonly string[], environment: Readonly<Record<string, string>> = {}) {
  const { status, stderr } = spawnSync('dpkg', [`--root=${root}`, `--log=${folder}/log`, ...args], {
    env: { PATH: process.env['PATH'] ?? '', LC_ALL: 'C.UTF-8', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
  });
  return { status, stderr };
}

/** A package of which every file is a conffile, with its path and content. */
function build(version: number, files: Readonly<Record<string, string>>): string {
  const tree = join(folder, `app-${version}`);
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    writeFileSync(join(tree, path), content);
  }
  mkdirSync(join(tree, 'DEBIAN'));
  writeFileSync(
    join(tree, 'DEBIAN/control'),
    `Package: app\nVersion: ${version}\nArchitecture: all\nMaintainer: A <a@example.org>\nDescription: test\n`,
  );
  writeFileSync(join(tree, 'DEBIAN/conffiles'), `${Object.keys(files).join('\n')}\n`);
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', tree, `${tree}.deb`], { stdio: 'ignore' });
  return `${tree}.deb`;
}

/** Every path of a tree with what tells it from what was there before. */
function paths(tree: string, at = ''): Map<string, string> {
  const found = new Map<string, string>();
  for (const name of readdirSync(join(tree, at))) {
    const path = `${at}/${name}`;
    const { ino, mtimeMs, size } = lstatSync(join(tree, path));
    found.set(path, `${ino} ${mtimeMs} ${size}`);
    if (lstatSync(join(tree, path)).isDirectory()) for (const each of paths(tree, path)) found.set(...each);
  }
  return found;
}

const names = ['edited', 'untouched', 'own', 'deleted', 'gone', 'diverted', 'same'];
const files = (version: number, constant: readonly string[]) => ({
  ...Object.fromEntries(
    names.map((name) => [`/etc/app/${name}`, constant.includes(name) ? name : `${name} ${version}`]),
  ),
  '/etc/app.d/linked': `linked ${version}`,
});

/** A guest with version 1 whose administrator has been at work, and what dpkg then makes of version 2. */
function upgrade(environment: Readonly<Record<string, string>>, options: readonly string[] = []) {
  for (const path of ['status', 'available', 'diversions', 'statoverride']) put(`/var/lib/dpkg/${path}`, '');
  mkdirSync(join(root, 'var/lib/dpkg/info'));
  mkdirSync(join(root, 'var/lib/dpkg/updates'));
  put('/var/lib/dpkg/info/format', '1\n');
  put('/var/lib/dpkg/diversions', ['/etc/app/diverted', '/etc/app/diverted.distrib', 'other', ''].join('\n'));
  const constant = ['own', 'gone'];
  expect(dpkg(['-i', build(1, files(1, constant))])).toMatchObject({ status: 0 });
  for (const name of ['edited', 'own', 'diverted.distrib']) put(`/etc/app/${name}`, 'mine');
  put('/etc/app/same', 'same 2');
  put('/etc/app/new', 'mine');
  for (const name of ['deleted', 'gone']) rmSync(join(root, 'etc/app', name));
  put('/srv/app.d/linked', 'mine');
  rmSync(join(root, 'etc/app.d'), { recursive: true });
  symlinkSync('../srv/app.d', join(root, 'etc/app.d'));
  const before = join(folder, 'before');
  cpSync(root, before, { recursive: true, verbatimSymlinks: true });
  const [statusBefore, pathsBefore] = [readStatusText(root), paths(root)];
  rmSync(join(folder, 'log'));

  const next = build(2, { ...files(2, constant), '/etc/app/new': 'new 2' });
  const run = dpkg([...options, '-i', next], environment);
  const after = paths(root);
  const touched = new Set(
    [...pathsBefore.keys(), ...after.keys()].filter((path) => pathsBefore.get(path) !== after.get(path)),
  );
  const lower = (path: Buffer): Precondition =>
    existsSync(join(before, path.toString()))
      ? { type: 'file', mode: 0, uid: 0, gid: 0 }
      : { type: 'absent' };
  const decisions = run.status === 0 ? conffileDecisions({ root, touched, before: lower }, statusBefore) : [];
  return { ...run, decisions, log: logged() };
}

/** What dpkg's own log tells of conffiles. */
const logged = () =>
  [...readFileSync(join(folder, 'log'), 'utf8').matchAll(/^\S+ \S+ conffile (\S+) (\w+)$/gm)]
    .map(([, path, decision]) => `${path} ${decision}`)
    .sort();
const told = (decisions: readonly ConffileDecision[]) =>
  decisions.map(({ path, decision }) => `${path.toString()} ${decision}`).sort();

const asked = [
  '/etc/app.d/linked',
  ...['deleted', 'diverted.distrib', 'edited', 'new'].map((name) => `/etc/app/${name}`),
];

test.each(['keep', 'install'] as const)(
  'with %s every question has that answer, as dpkg’s log has it',
  (choice) => {
    const { status, decisions, log } = upgrade(conffileEnvironment(choice));
    expect(status).toBe(0);
    expect(told(decisions)).toEqual(asked.map((path) => `${path} ${choice}`));
    expect(log).toEqual(told(decisions));
    const version = (path: string) =>
      path.endsWith('new') ? 'new 2' : `${path.split('/').pop()!.split('.')[0]} 2`;
    const ending = choice === 'keep' ? 'dpkg-dist' : 'dpkg-old';
    expect(decisions).toEqual(
      asked.map((path) => ({
        path: Buffer.from(path),
        package: 'app',
        by: 'dpkg',
        decision: choice,
        admin: path === '/etc/app/deleted' ? undefined : sha256('mine'),
        offered: sha256(version(path)),
        beside:
          path === '/etc/app/deleted' && choice === 'install'
            ? undefined
            : Buffer.from(`${path.replace('/etc/app.d', '/srv/app.d')}.${ending}`),
      })),
    );
    // Nobody was asked about these: they are what they are under either choice.
    const content = (name: string) => readFileSync(join(root, 'etc/app', name), 'utf8');
    expect(['untouched', 'own', 'same'].map(content)).toEqual(['untouched 2', 'mine', 'same 2']);
    expect(existsSync(join(root, 'etc/app/gone'))).toBe(false);
  },
);

test.each<[ConffileChoice, string, ConffileChoice]>([
  ['keep', '--force-confnew', 'install'],
  ['keep', '--force-confdef', 'keep'],
  ['install', '--force-confdef', 'keep'],
  ['install', '--force-confold', 'install'],
])('with %s, a guest whose dpkg.cfg has %s gets: %s', (choice, option, expected) => {
  const { decisions, log } = upgrade(conffileEnvironment(choice), [option]);
  expect(told(decisions)).toEqual(asked.map((path) => `${path} ${expected}`));
  expect(log).toEqual(told(decisions));
});

test('a guest that insists on being asked has its update fail, at once', () => {
  const { status, stderr } = upgrade(conffileEnvironment('keep'), ['--refuse-confold']);
  expect(status).toBe(1);
  expect(stderr).toContain('end of file on');
});

test('nothing that dpkg forces by itself is lost', () => {
  const enabled = (environment: Readonly<Record<string, string>>) =>
    new Set(
      /Currently enabled options:\n (.*)/
        .exec(
          execFileSync('dpkg', ['--force-help'], {
            env: { PATH: process.env['PATH'], LC_ALL: 'C', ...environment },
            encoding: 'utf8',
          }),
        )![1]!
        .split(','),
    );
  expect(enabled(conffileEnvironment('keep'))).toEqual(new Set([...enabled({}), 'confold']));
  expect(enabled(conffileEnvironment('install'))).toEqual(new Set([...enabled({}), 'confnew']));
});

test('what is beside a file that is no conffile, or is no file, is no decision', async () => {
  const names = ['directory', 'pipe', 'socket', 'link'];
  const conffiles = names.map((name) => ` /etc/${name} ${'0'.repeat(32)}\n`).join('');
  put('/var/lib/dpkg/status', `Package: app\nStatus: install ok installed\nConffiles:\n${conffiles}\n`);
  for (const name of [...names, 'other', 'other.dpkg-dist']) put(`/etc/${name}`, name);
  mkdirSync(join(root, 'etc/directory.dpkg-dist'), { recursive: true });
  execFileSync('mkfifo', [join(root, 'etc/pipe.dpkg-dist')]);
  symlinkSync('/proc/self/mem', join(root, 'etc/link.dpkg-dist'));
  const server = createServer();
  await once(server.listen(join(root, 'etc/socket.dpkg-dist')), 'listening');
  const touched = [...names, 'other', '\xff'].map((name) => `/etc/${name}.dpkg-dist`);
  try {
    expect(conffileDecisions({ root, touched, before: () => ({ type: 'absent' }) }, '')).toEqual([]);
  } finally {
    server.close();
  }
});

test('ucf has names of its own, and a registry', () => {
  put('/var/lib/dpkg/status', '');
  put('/var/lib/ucf/registry', 'app \t /etc/app.ini\n');
  for (const path of ['/etc/app.ini', '/etc/b c']) put(path, 'mine');
  put('/etc/app.ini.ucf-dist', 'theirs');
  put('/etc/b c.ucf-old', 'older');
  const touched = ['/etc/app.ini.ucf-dist', '/etc/b c.ucf-old'];
  const [theirs, mine, older] = ['theirs', 'mine', 'older'].map(sha256);
  expect(conffileDecisions({ root, touched, before: () => ({ type: 'absent' }) }, '')).toEqual([
    {
      ...{ path: Buffer.from('/etc/app.ini'), package: 'app', by: 'ucf', decision: 'keep' },
      ...{ admin: mine, offered: theirs, beside: Buffer.from('/etc/app.ini.ucf-dist') },
    },
    {
      ...{ path: Buffer.from('/etc/b c'), package: undefined, by: 'ucf', decision: 'install' },
      ...{ admin: older, offered: mine, beside: Buffer.from('/etc/b c.ucf-old') },
    },
  ]);
});

test('a Conffiles field is read as dpkg writes it', () => {
  const md5 = '0123456789abcdef0123456789abcdef';
  const text = [
    'Package: a\nStatus: install ok installed\nConffiles:',
    ` /etc/a b ${md5}\n /etc/c newconffile\n /etc/d ${md5} obsolete\n /etc/e ${md5} remove-on-upgrade`,
    'Description: x\n /etc/not a conffile\n\nPackage: b\nDescription: y\n',
  ].join('\n');
  expect(parseConffiles(text).map((each) => Object.values(each).join('|'))).toEqual([
    `/etc/a b|${md5}|a`,
    '/etc/c|newconffile|a',
    `/etc/d|${md5}|a`,
    `/etc/e|${md5}|a`,
  ]);
});
