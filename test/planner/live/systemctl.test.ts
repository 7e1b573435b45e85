import { Accounts } from '../../../src/planner/live/accounts.js';
import { liveRule } from '../../../src/planner/live/table.js';
import { UnitProcesses } from '../../../src/planner/live/unit-processes.js';
import { Units } from '../../../src/planner/live/units.js';
import type { Verdict } from '../../../src/planner/live/verdict.js';
import { guestTree, type GuestTree } from './guest-tree.js';

let tree: GuestTree;
let units: Units;

beforeEach(() => {
  tree = guestTree('cron.service', 'multi-user.target');
  tree.write('/lib/systemd/system/cron.service', '[Service]\nExecReload=/bin/kill -HUP $MAINPID\n');
  tree.write('/lib/systemd/system/nginx.service', '[Service]\n');
  tree.write('/lib/systemd/system/ssh.socket', '[Socket]\nListenStream=22\n');
  tree.write('/etc/systemd/system/cron.service.d/nice.conf', '[Service]\nNice=5\n');
  tree.link('/etc/systemd/system/off.service', '/dev/null');
  units = new Units(tree.root);
});
afterEach(() => tree[Symbol.dispose]());

function decide(line: string): Verdict {
  const argv = line.split(' ');
  return liveRule('/usr/bin/systemctl')!.decide(
    { name: 'systemctl', path: '/usr/bin/systemctl', argv, environment: [], discards: false },
    units,
    new Accounts(tree.root, new UnitProcesses([], units)),
  );
}
const answered = (status: number, output = '') => ({ kind: 'answer', status, output });

test.each([
  'systemctl daemon-reload',
  'systemctl --system daemon-reexec',
  'systemctl --quiet --system start nginx.service',
  'systemctl restart cron nginx',
  'systemctl stop cron.service',
  'systemctl try-restart nginx.service cron',
  'systemctl try-restart c*n.service',
  'systemctl reload cron',
  'systemctl stop postgresql@*.service',
  'systemctl reset-failed',
  'systemctl reset-failed cron.service postgresql@*',
  'systemctl kill -s HUP cron',
])('%s is live', (line) => {
  expect(decide(line)).toEqual({ kind: 'live' });
});

test.each([
  ['systemctl start missing', 5, 'Unit missing not found'],
  ['systemctl stop missing.service', 5, 'not loaded'],
  ['systemctl restart off', 1, 'is masked'],
  ['systemctl reload nginx', 1, 'is not active'],
  ['systemctl stop missing gone', 5, 'missing not loaded.\nFailed to stop gone'],
])('%s fails offline as it would in the guest', (line, status, words) => {
  expect(decide(line)).toMatchObject({
    kind: 'answer',
    status,
    errors: expect.stringContaining(words) as string,
  });
});

test('an init script without a unit is one as soon as the manager has read its units anew', () => {
  tree.write('/lib/systemd/system/ssh.service', '[Service]\n');
  for (const name of ['slapd', 'ssh'])
    tree.write(`/etc/init.d/${name}`, '#!/bin/sh\necho "Usage: $0 {start|reload|stop}"\n', 0o755);
  const source = (name: string) => decide(`systemctl show --value --property SourcePath ${name}`);
  expect(source('slapd.service')).toMatchObject(answered(0, '\n'));
  expect(decide('systemctl start slapd')).toMatchObject({ kind: 'answer', status: 5 });
  expect(decide('systemctl daemon-reload')).toEqual({ kind: 'live' });
  expect(source('slapd.service')).toMatchObject(answered(0, '/etc/init.d/slapd\n'));
  expect(source('ssh.service')).toMatchObject(answered(0, '\n'));
  expect(decide('systemctl -p CanReload show slapd')).toMatchObject(answered(0, 'CanReload=yes\n'));
  expect(decide('systemctl cat slapd')).toMatchObject({ kind: 'whole' });
  expect(decide('systemctl start slapd')).toEqual({ kind: 'live' });
  expect(decide('systemctl is-active slapd')).toMatchObject(answered(0, 'active\n'));
});

test('what is said of an init script shows how systemctl was called: that has to be in the guest', () => {
  tree.write('/etc/init.d/cron', '#!/bin/sh\n', 0o755);
  tree.write('/etc/init.d/old', '#!/bin/sh\n', 0o755);
  const kinds = (...lines: string[]) => lines.map((line) => decide(line).kind);
  expect(kinds('systemctl enable cron', 'systemctl disable nginx cron.service')).toEqual(['whole', 'whole']);
  expect(kinds('systemctl is-enabled old', 'systemctl is-enabled cron')).toEqual(['whole', 'files']);
  expect(
    kinds('systemctl --quiet enable cron', 'systemctl -q is-enabled old', 'systemctl mask cron'),
  ).toEqual(['both', 'files', 'both']);
});

test('what was made of an init script before the suspend is there until the manager reads its units anew', () => {
  tree.write('/run/systemd/generator.late/old.service', '[Unit]\nSourcePath=/etc/init.d/old\n');
  const source = () => decide('systemctl show --value --property SourcePath old');
  expect(source()).toMatchObject(answered(0, '/etc/init.d/old\n'));
  const enabling = decide('systemctl enable cron');
  expect(source()).toMatchObject(answered(0, '/etc/init.d/old\n'));
  if (enabling.kind === 'both') enabling.done?.();
  expect(source()).toMatchObject(answered(0, '\n'));
});

test.each([
  'systemctl try-restart nginx.service',
  'systemctl try-reload-or-restart nginx postgresql@*',
  'systemctl condrestart nginx',
])('%s has nothing to do', (line) => {
  expect(decide(line)).toEqual({ kind: 'answer', status: 0, output: '', errors: '' });
});

test.each([
  ['systemctl is-active cron', answered(0, 'active\n')],
  ['systemctl --quiet is-active -- nginx.service', answered(3)],
  ['systemctl is-active nginx cron', answered(0, 'inactive\nactive\n')],
  ['systemctl -p LoadState show off', answered(0, 'LoadState=masked\n')],
  ['systemctl -p LoadState show nowhere', answered(0, 'LoadState=not-found\n')],
  ['systemctl -p CanReload show cron.service', answered(0, 'CanReload=yes\n')],
  ['systemctl -p CanReload show nginx.service', answered(0, 'CanReload=no\n')],
  ['systemctl show --value --property SourcePath nginx', answered(0, '\n')],
  ['systemctl -p Triggers show ssh.socket', answered(0, 'Triggers=ssh.service\n')],
  ['systemctl show -P ActiveState -p SubState cron', { kind: 'whole' }],
  ['systemctl --no-legend --quiet list-units user@*', answered(0)],
  ['systemctl is-system-running', answered(0, 'running\n')],
  ['systemctl is-failed cron', answered(1, 'active\n')],
  ['systemctl -q is-failed cron', answered(1)],
  ['systemctl cat nginx.service', answered(0, '# /lib/systemd/system/nginx.service\n[Service]\n')],
  [
    'systemctl cat cron nginx',
    answered(
      0,
      '# /lib/systemd/system/cron.service\n[Service]\nExecReload=/bin/kill -HUP $MAINPID\n' +
        '\n# /etc/systemd/system/cron.service.d/nice.conf\n[Service]\nNice=5\n' +
        '\n# /lib/systemd/system/nginx.service\n[Service]\n',
    ),
  ],
  ['systemctl cat cron nowhere', { ...answered(1), errors: 'No files found for nowhere.service.\n' }],
  ['systemctl status nginx', { kind: 'answer', status: 3 }],
  ['systemctl status missing', { kind: 'answer', status: 4 }],
])('%s is answered from what is known, or not at all', (line, verdict) => {
  expect(decide(line)).toMatchObject(verdict);
});

test('questions about activity see the actions that came before', () => {
  decide('systemctl start nginx');
  decide('systemctl stop cron');
  expect(decide('systemctl is-active nginx cron')).toMatchObject(answered(0, 'active\ninactive\n'));
});

test('what changes unit files runs on the tree, and the manager reads them again', () => {
  const done = expect.any(Function) as () => void;
  expect(decide('systemctl enable nginx')).toEqual({
    kind: 'both',
    done,
    argv: ['systemctl', '--root=/', 'enable', 'nginx'],
    actions: [['systemctl', 'daemon-reload']],
  });
  const disabled = decide('systemctl --system disable --now cron');
  expect(disabled).toEqual({
    kind: 'both',
    done,
    argv: ['systemctl', '--root=/', 'disable', 'cron'],
    actions: [
      ['systemctl', 'daemon-reload'],
      ['systemctl', 'stop', '--', 'cron'],
    ],
  });
  expect(units.state('cron').active).toBe(true);
  if (disabled.kind === 'both') disabled.done?.();
  expect(units.state('cron').active).toBe(false);
  expect(decide('systemctl --no-reload mask nginx')).toMatchObject({ kind: 'both', actions: [] });
  expect(decide('systemctl is-enabled -- nginx')).toEqual({
    kind: 'files',
    argv: ['systemctl', '--root=/', 'is-enabled', '--', 'nginx'],
  });
  // What it writes below /run is collected like the rest.
  expect(decide('systemctl --runtime mask nginx')).toEqual({
    kind: 'both',
    done,
    argv: ['systemctl', '--root=/', '--runtime', 'mask', 'nginx'],
    actions: [['systemctl', 'daemon-reload']],
  });
  expect(decide('systemctl --root=/mnt enable nginx')).toEqual({ kind: 'files' });
});

test.each([
  'systemctl --user start x',
  'systemctl -H host stop cron',
  'systemctl cat off',
  'systemctl cat *',
  'systemctl is-failed nginx',
  'systemctl is-failed',
  'systemctl reset-failed nginx',
  'systemctl kill cron missing',
  'systemctl try-restart cron missing',
  'systemctl disable --now cron missing',
  'systemctl reload cron nginx',
  'systemctl list-units --state=failed c*',
])('%s cannot be told apart', (line) => {
  expect(decide(line)).toMatchObject({ kind: 'whole' });
});
