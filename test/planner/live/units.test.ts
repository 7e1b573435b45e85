import { Units } from '../../../src/planner/live/units.js';
import { guestTree } from './guest-tree.js';

test('a unit is active when systemd had noted it at the suspend, or an action has made it so', () => {
  using tree = guestTree('cron.service', 'user@0.service', 'user@1000.service');
  tree.write('/lib/systemd/system/cron.service', '[Service]\nExecStart=/usr/sbin/cron\n');
  const units = new Units(tree.root);
  expect(units.state('cron')).toMatchObject({
    name: 'cron.service',
    active: true,
    file: { state: 'loaded' },
  });
  expect(units.state('nginx.service')).toMatchObject({ active: false, file: { state: 'missing' } });
  units.became(false, ['cron']);
  units.became(true, ['nginx.service']);
  expect([units.state('cron.service').active, units.state('nginx').active]).toEqual([false, true]);
  expect(units.matching('user@*')).toEqual(['user@0.service', 'user@1000.service']);
  units.became(false, ['user@1*.service']);
  expect(units.matching('user@*')).toEqual(['user@0.service']);
});

test('an alias is its unit, a link to /dev/null and an empty file are masks, a template is for its instances', () => {
  using tree = guestTree('ssh.service');
  tree.write('/lib/systemd/system/ssh.service', '[Unit]\n');
  tree.link('/etc/systemd/system/sshd.service', '/lib/systemd/system/ssh.service');
  tree.link('/etc/systemd/system/off.service', '/dev/null');
  tree.write('/etc/systemd/system/empty.service', '');
  tree.write('/lib/systemd/system/getty@.service', '[Unit]\n');
  const units = new Units(tree.root);
  expect(units.state('sshd')).toMatchObject({ name: 'ssh.service', active: true });
  expect(units.state('off').file.state).toBe('masked');
  expect(units.state('empty').file.state).toBe('masked');
  expect(units.state('getty@tty1')).toMatchObject({ name: 'getty@tty1.service', file: { state: 'loaded' } });
});

test('what comes first in the load path wins, drop-ins add, an empty value takes back', () => {
  using tree = guestTree();
  tree.write(
    '/lib/systemd/system/a.service',
    '[Service]\nExecReload=/bin/kill -HUP \\\n  $MAINPID\nType=simple\n',
  );
  tree.write(
    '/etc/systemd/system/a.service.d/10-type.conf',
    '# Type=idle\n[Service]\nType = notify-reload\n',
  );
  tree.write('/lib/systemd/system/a.service.d/10-type.conf', '[Service]\nType=oneshot\n');
  tree.write(
    '/lib/systemd/system/a.service.d/20-none.conf',
    '[Service]\nExecReload=\n[Unit]\nExecReload=no\n',
  );
  const units = new Units(tree.root);
  const state = units.state('a');
  expect(units.settings(state, 'Service', 'Type')).toEqual(['simple', 'notify-reload']);
  expect(units.settings(state, 'Service', 'ExecReload')).toEqual([]);
  tree.write('/etc/systemd/system/a.service', '[Service]\nExecReload=/bin/true\n');
  expect(units.settings(units.state('a'), 'Service', 'ExecReload')).toEqual([]);
});

test('a stop goes on to what requires, is bound to or is part of a unit, and to what leans on that', () => {
  using tree = guestTree(
    'db.service',
    'db@main.service',
    'web.service',
    'log.service',
    'watch.service',
    'free.service',
  );
  tree.write('/lib/systemd/system/db@.service', '[Unit]\nPartOf=db.service\n');
  tree.write('/lib/systemd/system/web.service', '[Unit]\nRequires=net.target db@main.service\n');
  tree.write('/lib/systemd/system/log.service', '[Unit]\nBindsTo=web.service\nPartOf=log.service\n');
  tree.write('/lib/systemd/system/watch.service', '[Unit]\nRequires=x@%i.service\nWants=db.service\n');
  tree.write('/lib/systemd/system/free.service', '[Unit]\nPartOf=db.service\nPartOf=\nAfter=db.service\n');
  const units = new Units(tree.root);
  units.became(false, ['db']);
  expect(units.matching('*')).toEqual(['free.service', 'watch.service']);
  expect(['db', 'log', 'free', 'none'].map((name) => units.wasStopped(`${name}.service`))).toEqual([
    true,
    true,
    false,
    false,
  ]);
  units.became(true, ['web']);
  expect(units.matching('*')).toEqual(['db@main.service', 'free.service', 'watch.service', 'web.service']);
});

test('a hostile pattern takes no time', () => {
  using tree = guestTree(`${'a'.repeat(200)}.service`);
  expect(new Units(tree.root).matching(`${'*a'.repeat(60_000)}b`)).toEqual([]);
});
