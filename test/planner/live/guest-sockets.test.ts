import { GuestSockets } from '../../../src/planner/live/guest-sockets.js';
import { fixtureGuest } from '../../shadow/proc/fixture-guest.js';
import { guestTree } from './guest-tree.js';

const socket = (name: string | undefined, inode: bigint) => ({
  ...{ refcount: 2, state: 1, uid: 0, sendQueue: 0, receiveQueue: 0, drops: 0, type: 1, owned: true },
  name: name === undefined ? undefined : Buffer.from(name),
  inode,
});
const file = (target: string) => ({
  ...{ descriptor: 3, readable: true, writable: true, position: 0n, flags: 0, mountId: 1 },
  target,
});
const guest = fixtureGuest({
  unixSockets: () => [
    socket('/run/db/socket', 7n),
    socket('/var/run/mail', 8n),
    socket('\0/run/other', 9n),
    socket(undefined, 10n),
  ],
  openFiles: () =>
    new Map([
      [1, [file('socket:[8]'), file('/run/other')]],
      [20, [file('socket:[7]'), file('socket:[7]')]],
      [21, [file('socket:[7]'), file('socket:[9]')]],
      [22, [file('socket:[8]')]],
    ]),
});

test.each([
  ['/run/db/socket', [], false],
  ['/run/db/socket', [20], false],
  ['/run/db/socket', [20, 21], true],
  // As it was bound, and as it is found, by way of a link.
  ['/run/mail', [22], false],
  ['/run/mail', [1, 22], true],
  ['/var/run/db/socket', [20, 21], true],
  ['/run/other', [1, 20, 21, 22], false],
  ['/nowhere', [1, 20, 21, 22], false],
])('%s, when %j are gone: nobody listens: %s', (path, gone, isLeft) => {
  using tree = guestTree();
  tree.write('/run/db/socket', '');
  tree.write('/run/mail', '');
  tree.link('/var/run', '/run');
  expect(new GuestSockets(tree.root, guest).isLeft(path, new Set(gone))).toBe(isLeft);
});
