import { Accounts } from '../../../src/planner/live/accounts.js';
import { liveRule, liveRules } from '../../../src/planner/live/table.js';
import { UnitProcesses } from '../../../src/planner/live/unit-processes.js';
import { Units } from '../../../src/planner/live/units.js';
import { guestTree, type GuestTree } from './guest-tree.js';

let tree: GuestTree;
let units: Units;
let processes: UnitProcesses;
let accounts: Accounts;
beforeEach(() => {
  tree = guestTree('nginx.service', 'postfix.service');
  units = new Units(tree.root);
  const [uids, cgroup] = [[103, 103, 103, 103], '/system.slice/postfix.service'] as const;
  processes = new UnitProcesses([{ pid: 7, uids, cgroup }], units);
  accounts = new Accounts(tree.root, processes);
});
afterEach(() => tree[Symbol.dispose]());

const decide = (path: string, ...args: string[]) => {
  const name = path.slice(path.lastIndexOf('/') + 1);
  const call = { name, path, argv: [name, ...args], environment: [], discards: false };
  return liveRule(path)?.decide(call, units, accounts).kind;
};

test.each([
  ['/sbin/modprobe', ['loop'], 'both'],
  ['/sbin/modprobe', ['-a', 'loop', 'fuse'], 'live'],
  ['/sbin/modprobe', ['-r', 'loop'], 'live'],
  ['/sbin/modprobe', ['--show-depends', 'loop'], 'files'],
  ['/usr/sbin/modprobe', ['-C', '/etc/x', '-n', 'loop'], 'files'],
  ['/sbin/sysctl', ['-q', '--system'], 'live'],
  ['/sbin/sysctl', ['net.ipv4.ip_forward=1'], 'live'],
  ['/sbin/sysctl', ['-n', 'kernel.ostype'], 'files'],
  ['/usr/bin/udevadm', ['control', '--reload'], 'live'],
  ['/usr/bin/udevadm', ['hwdb', '--update'], 'files'],
  ['/usr/bin/udevadm', ['info', '--export-db'], 'whole'],
  ['/usr/bin/systemd-tmpfiles', ['--create', 'sudo.conf'], 'both'],
  ['/usr/bin/systemd-tmpfiles', ['--cat-config'], 'files'],
  ['/sbin/start-stop-daemon', ['--stop', '--pidfile', '/run/x'], 'live'],
  ['/sbin/start-stop-daemon', ['--status', '--exec', '/bin/x'], 'files'],
  ['/etc/init.d/nginx', ['upgrade'], 'live'],
  ['/etc/init.d/nginx', ['status'], 'answer'],
  ['/sbin/apparmor_parser', ['-r', '-T', '-W', '/etc/apparmor.d/x'], 'live'],
  ['/sbin/apparmor_parser', ['-r'], 'whole'],
  ['/sbin/apparmor_parser', ['-Q', '/etc/apparmor.d/x'], 'files'],
  ['/usr/bin/dbus-send', ['--system', '--type=method_call', '/x', 'y.z'], 'live'],
  ['/usr/bin/dbus-send', ['--system', '--print-reply', '/x', 'y.z'], 'whole'],
  ['/usr/sbin/update-grub', [], 'live'],
  ['/usr/sbin/update-initramfs', ['-u'], 'live'],
  ['/usr/sbin/grub-probe', ['-t', 'device', '/boot'], 'whole'],
  ['/bin/mount', ['/x'], 'whole'],
  ['/opt/bin/mount', ['/x'], undefined],
  ['/bin/cp', ['a', 'b'], undefined],
] as const)('%s %j: %s', (path, args, kind) => {
  expect(decide(path, ...args)).toBe(kind);
});

test('a new host key is made twice, and the one made offline stays there', () => {
  const argv = ['ssh-keygen', '-q', '-f', '/etc/ssh/ssh_host_rsa_key', '-N', '', '-t', 'rsa'];
  const rule = liveRule('/usr/bin/ssh-keygen')!;
  const call = { name: 'ssh-keygen', path: '/usr/bin/ssh-keygen', argv, environment: [], discards: false };
  expect(rule.decide(call, units, accounts)).toEqual({
    kind: 'both',
    actions: [argv],
    secrets: [
      { path: '/etc/ssh/ssh_host_rsa_key', mode: 0o600 },
      { path: '/etc/ssh/ssh_host_rsa_key.pub', mode: 0o644 },
    ],
    done: expect.any(Function) as () => void,
  });
  expect(decide('/usr/bin/ssh-keygen', '-l', '-f', '/etc/ssh/ssh_host_rsa_key.pub')).toBe('files');
});

test('an initrd that is left to a trigger is a matter of files', () => {
  const [name, path] = ['update-initramfs', '/usr/sbin/update-initramfs'];
  const kind = (environment: string[], ...args: string[]) =>
    liveRule(path)!.decide(
      { name, path, argv: [name, ...args], environment, discards: false },
      units,
      accounts,
    ).kind;
  const script = ['PATH=/bin', 'DPKG_MAINTSCRIPT_PACKAGE=e2fsprogs'];
  expect(kind(script, '-u')).toBe('files');
  expect(kind(script, '-c', '-k', '6.1.0-1')).toBe('live');
  // As the trigger's script calls it.
  expect(kind(['DPKG_MAINTSCRIPT_PACKAGE='], '-u')).toBe('live');
});

test('a reply that nobody reads does not matter', () => {
  const [name, path] = ['dbus-send', '/usr/bin/dbus-send'];
  const kind = (...args: string[]) =>
    liveRule(path)!.decide(
      { name, path, argv: [name, '--print-reply', ...args], environment: [], discards: true },
      units,
      accounts,
    ).kind;
  expect([kind('--system', '/', 'org.freedesktop.DBus.ReloadConfig'), kind('--session', '/', 'x.y')]).toEqual(
    ['live', 'whole'],
  );
});

test('an account whose processes an action may have ended is changed in the guest', () => {
  tree.write(
    '/etc/passwd',
    'root:x:0:0::/root:/bin/sh\npostfix:x:103:110::/:/bin/false\nnobody:x:9:9::/:/\n',
  );
  const kinds = () => [
    decide('/usr/sbin/userdel', 'postfix'),
    decide('/usr/sbin/userdel', '-r', 'nobody'),
    decide('/usr/sbin/userdel', 'missing'),
    decide('/usr/sbin/usermod', '--home', '/x', 'postfix'),
    decide('/usr/sbin/usermod', '-s', '/bin/sh', 'postfix'),
  ];
  expect(kinds()).toEqual(['files', 'files', 'files', 'files', 'files']);
  accounts.acted();
  expect(kinds()).toEqual(['whole', 'files', 'files', 'whole', 'files']);
  units.became(false, ['postfix']);
  processes.acted();
  expect(kinds()).toEqual(['files', 'files', 'files', 'files', 'files']);
});

test("an init script's actions are its unit's", () => {
  expect(decide('/etc/init.d/nginx', 'stop')).toBe('live');
  expect(units.state('nginx').active).toBe(false);
  decide('/etc/init.d/nginx', 'start');
  expect(units.state('nginx').active).toBe(true);
});

test('each program has one row', () => {
  const names = liveRules.flatMap(({ programs }) => programs);
  expect(new Set(names).size).toBe(names.length);
});
