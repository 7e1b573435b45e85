import { scriptUnits } from '../../../src/planner/live/init-scripts.js';
import { codeOf } from '../../error-code.js';
import { guestTree } from './guest-tree.js';

const header = (provides: string) =>
  `#!/bin/sh\n### BEGIN INIT INFO\n# Provides:  ${provides}\n# Required-Start: $network\n### END INIT INFO\n`;

test('an executable script without a unit of its own is a service, by its name and by what it provides', () => {
  using tree = guestTree();
  tree.write('/etc/init.d/slapd', header('slapd ldap $x network'), 0o755);
  tree.write('/etc/init.d/hwclock.sh', '#!/bin/sh\n', 0o755);
  tree.write('/etc/init.d/cron', header('cron'), 0o755);
  tree.write('/etc/init.d/README', header('readme'));
  tree.link('/etc/init.d/gone', '/nowhere');
  tree.write('/etc/init.d/not a unit', '#!/bin/sh\n', 0o755);
  const units = scriptUnits(tree.root, new Set(['cron.service']));
  expect([...units.keys()].sort()).toEqual(['hwclock.service', 'ldap.service', 'slapd.service']);
  expect(units.get('ldap.service')).toBe(units.get('slapd.service'));
  expect(units.get('hwclock.service')!.text).toContain('SourcePath=/etc/init.d/hwclock.sh\n');
});

test.each([
  ['echo "Usage: $0 {start|stop|reload|restart}"', true],
  ['log "usage: x {reload}"', true],
  ['echo "Usage: $0 \\\n {start|stop \\\n |reload}"', true],
  ['echo "Usage: $0 {start|stop|force-reload}"', false],
  ['# Usage: $0 {start|reload}', false],
  ['reload|restart) ;;', false],
])('whether it can reload is in its usage: %s', (line, can) => {
  using tree = guestTree();
  tree.write('/etc/init.d/x', `#!/bin/sh\n${line}\n`, 0o755);
  const text = scriptUnits(tree.root, new Set()).get('x.service')!.text;
  expect(text.includes('ExecReload=/etc/init.d/x reload\n')).toBe(can);
});

test('a hostile directory is only read', () => {
  using tree = guestTree();
  tree.link('/etc/init.d', '/etc/passwd');
  tree.write('/etc/passwd', 'root');
  expect(scriptUnits(tree.root, new Set()).size).toBe(0);
});

test('there is an end to what is read', () => {
  using tree = guestTree();
  tree.write('/etc/init.d/long', '### BEGIN INIT INFO\n'.repeat(10_000), 0o755);
  tree.write('/etc/init.d/wide', `### BEGIN INIT INFO\n# Provides:${' x'.repeat(100_000)}\n`, 0o755);
  expect([...scriptUnits(tree.root, new Set()).keys()].sort()).toEqual([
    'long.service',
    'wide.service',
    'x.service',
  ]);
  for (let count = 0; count < 1_000; count++) tree.write(`/etc/init.d/s${count}`, '');
  expect(codeOf(() => scriptUnits(tree.root, new Set()))).toBe('GUEST_UNSUPPORTED');
});
