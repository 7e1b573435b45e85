import { UnitProcesses } from '../../../src/planner/live/unit-processes.js';
import { Units } from '../../../src/planner/live/units.js';
import { guestTree, type GuestTree } from './guest-tree.js';

let tree: GuestTree;
let units: Units;
beforeEach(() => {
  tree = guestTree('mail.service', 'mail@-.service', 'shell.service', 'stays.service', 'other.service');
  tree.write('/lib/systemd/system/mail.service', '[Service]\nKillMode=mixed\n');
  tree.link('/run/systemd/generator/mail.service.wants/mail@-.service', '/lib/systemd/system/mail@.service');
  tree.write(
    '/lib/systemd/system/mail@.service',
    '[Unit]\nPartOf=mail.service\n[Service]\nKillMode=process\n',
  );
  tree.write('/etc/systemd/system/mail@.service.d/kill.conf', '[Service]\nKillMode=control-group\n');
  tree.write('/lib/systemd/system/shell.service', '[Service]\nKillMode=process\n');
  tree.write('/lib/systemd/system/stays.service', '[Service]\nSendSIGKILL=no\n');
  units = new Units(tree.root);
});
afterEach(() => tree[Symbol.dispose]());

const uids = [5, 6, 7, 8] as const;
const inGroup = (pid: number, cgroup?: string) => ({ pid, uids, ...(cgroup !== undefined && { cgroup }) });
const processes = () =>
  new UnitProcesses(
    [
      inGroup(2),
      inGroup(10, '/system.slice/mail.service'),
      inGroup(11, '/system.slice/system-mail.slice/mail@-.service/worker'),
      inGroup(12, '/system.slice/shell.service'),
      inGroup(13, '/system.slice/stays.service'),
      inGroup(14, '/system.slice/other.service'),
      inGroup(15, '/user.slice/user-0.slice/session-1.scope'),
    ],
    units,
  );

const gone = (left: UnitProcesses) => [...left.gone];
const stop = (left: UnitProcesses, ...names: string[]) => {
  units.became(false, names);
  left.acted();
};

test('a stop ends the processes of a service and of what is part of it', () => {
  const left = processes();
  left.acted();
  expect(gone(left)).toEqual([]);
  stop(left, 'mail');
  expect(gone(left)).toEqual([10, 11]);
  stop(left, 'other');
  expect(gone(left)).toEqual([10, 11, 14]);
});

test('a service that is started again has processes again, and so has what it wants', () => {
  const left = processes();
  stop(left, 'other', 'mail');
  units.became(true, ['mail']);
  left.acted();
  expect(gone(left)).toEqual([14]);
});

test('what a stop may leave is taken as left, also when the unit is no longer there', () => {
  const left = processes();
  stop(left, 'shell', 'stays');
  tree.write('/lib/systemd/system/shell.service', '');
  stop(left, 'other');
  expect(gone(left)).toEqual([14]);
});

test('real, effective and saved users count', () => {
  const left = new UnitProcesses([inGroup(14, '/system.slice/other.service')], units);
  expect([5, 6, 7, 8].map((uid) => left.hasUser(uid))).toEqual([true, true, true, false]);
  stop(left, 'other');
  expect(left.hasUser(5)).toBe(false);
});
