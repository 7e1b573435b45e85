import { actionRows, fileCounts, fileRows, scriptRows, stepRows } from '../../src/report/summary.js';
import type { Step } from '../../src/plan/model.js';

const owner = { mode: 0o644, uid: 0, gid: 0, mtime: 'now', xattrs: [] } as const;
const steps: Step[] = [
  {
    kind: 'files',
    changes: [
      { path: Buffer.from('/a'), action: 'put', state: { type: 'file', ...owner, content: 'c', size: 7 } },
      { path: Buffer.from('/b'), action: 'link', to: Buffer.from('/a') },
      {
        path: Buffer.from('/l'),
        action: 'put',
        state: { type: 'symlink', ...owner, target: Buffer.from('a') },
      },
      { path: Buffer.from([0x2f, 0xff]), action: 'remove' },
    ],
  },
  {
    kind: 'script',
    call: {
      kind: 'postinst',
      package: 'nginx',
      path: Buffer.from('/var/lib/dpkg/info/nginx.postinst'),
      content: 'd',
      argv: ['/var/lib/dpkg/info/nginx.postinst', 'configure', ''].map((word) => Buffer.from(word)),
      environment: [Buffer.from('A=b')],
      cwd: Buffer.from('/'),
      command: 0,
      runs: 'replay',
    },
  },
  { kind: 'triggers' },
  {
    kind: 'script',
    call: {
      kind: 'prerm',
      package: 'cron',
      path: Buffer.from('/var/lib/dpkg/info/cron.prerm'),
      content: 'e',
      argv: ['/var/lib/dpkg/info/cron.prerm', 'remove'].map((word) => Buffer.from(word)),
      environment: [],
      cwd: Buffer.from('/'),
      command: 0,
      runs: 'offline',
    },
  },
  {
    kind: 'action',
    action: {
      rule: 'systemctl',
      path: Buffer.from('/usr/bin/systemctl'),
      sha256: 'f',
      argv: ['systemctl', 'stop', 'cron.service'].map((word) => Buffer.from(word)),
      environment: [Buffer.from('A=b')],
      cwd: Buffer.from('/'),
      command: 0,
      script: 3,
    },
  },
];

test('counts what is done to files', () => {
  expect(fileCounts(steps)).toEqual({ put: 2, link: 1, remove: 1, bytes: 7 });
});

test('a file row carries what a reader asks of a file, a name that is no text stays visible', () => {
  const rows = fileRows(steps);
  expect(rows[0]).toEqual({
    ...{
      step: 0,
      action: 'put',
      path: '/a',
      type: 'file',
      mode: '0644',
      uid: 0,
      gid: 0,
      size: 7,
      content: 'c',
    },
  });
  expect(rows[1]).toEqual({ step: 0, action: 'link', path: '/b', target: '/a' });
  expect(rows[2]).toMatchObject({ type: 'symlink', target: 'a' });
  expect(rows[3]).toEqual({ step: 0, action: 'remove', path: '/\ufffd' });
});

test('a script row has the step that it is, arguments and environment as text', () => {
  expect(scriptRows(steps)).toEqual([
    {
      step: 1,
      package: 'nginx',
      kind: 'postinst',
      path: '/var/lib/dpkg/info/nginx.postinst',
      argv: ['/var/lib/dpkg/info/nginx.postinst', 'configure', ''],
      args: ['configure', ''],
      environment: ['A=b'],
      cwd: '/',
      content: 'd',
      command: 0,
      runs: 'replay',
    },
    expect.objectContaining({ step: 3, package: 'cron', kind: 'prerm', runs: 'offline' }),
  ]);
});

test('a row of a live action names the script that asked for it', () => {
  expect(actionRows(steps)).toEqual([
    {
      step: 4,
      rule: 'systemctl',
      path: '/usr/bin/systemctl',
      sha256: 'f',
      argv: ['systemctl', 'stop', 'cron.service'],
      environment: ['A=b'],
      cwd: '/',
      command: 0,
      script: 'cron.prerm',
      scriptStep: 3,
    },
  ]);
});

test('every step is a line', () => {
  expect(stepRows(steps).map(({ what }) => what)).toEqual([
    '2 put, 1 linked, 1 removed, 7 bytes',
    'nginx postinst configure ',
    'dpkg --triggers-only --pending',
    'cron prerm remove (done offline)',
    'systemctl stop cron.service',
  ]);
});
