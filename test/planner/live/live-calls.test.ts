import { constants } from 'node:os';
import { reachedBy, reachedByWrite } from '../../../src/planner/live/live-calls.js';
import type { CallEvent } from '../../../src/tracer/call-event.js';

const made = { type: 'call', pid: 7 } as const;
const connect = (path: string, errno: number, abstract = false): CallEvent => ({
  ...made,
  call: 'connect',
  kind: 'connect',
  address: { family: 'unix', path: Buffer.from(path), abstract },
  errno,
});
const netlink = (message: number): CallEvent => ({
  ...made,
  call: 'sendto',
  kind: 'netlink',
  message,
  errno: 0,
});
const { ECONNREFUSED, ENOENT, EPERM } = constants.errno;

test.each([
  [connect('/run/dbus/system_bus_socket', ECONNREFUSED), 'a connection to /run/dbus/system_bus_socket'],
  // Nobody is there in the guest, or whoever is has been started by the update.
  [connect('/run/dbus/system_bus_socket', ENOENT), undefined],
  [connect('/run/mysqld/mysqld.sock', 0), undefined],
  [connect('/run/nscd/socket', ECONNREFUSED), undefined],
  [connect('/dev/log', ECONNREFUSED), undefined],
  [connect('bus', ECONNREFUSED, true), undefined],
  [{ ...made, call: 'swapon', kind: 'effect', errno: EPERM } as const, 'swapon(2)'],
  // linux/rtnetlink.h: NEWLINK, GETLINK, SETLINK, DELADDR, GETROUTE.
  [netlink(16), 'a netlink message that changes the network'],
  [netlink(18), undefined],
  [netlink(19), 'a netlink message that changes the network'],
  [netlink(21), 'a netlink message that changes the network'],
  [netlink(26), undefined],
  // linux/netlink.h: NOOP; linux/audit.h: what useradd tells of a user.
  [netlink(1), undefined],
  [netlink(1114), undefined],
  [{ ...made, call: 'unlink', kind: 'remove', path: Buffer.from('/proc/sys/x') } as const, undefined],
] as const)('%j: %s', (event, reason) => {
  expect(reachedBy(event)).toBe(reason);
});

test.each([
  ['/proc/sys/vm/swappiness', true],
  ['/proc/sysrq-trigger', true],
  ['/sys/module/loop/parameters/max_loop', true],
  ['/proc/1/oom_score_adj', true],
  ['/proc/self/oom_score_adj', false],
  ['/proc/[pid]/comm', false],
])('a write to %s reaches the running system: %s', (path, reaches) => {
  expect(reachedByWrite(path) === `a write to ${path}`).toBe(reaches);
});
