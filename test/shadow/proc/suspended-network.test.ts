import type { Guest } from '../../../src/guest/guest.js';
import { openGuest } from '../../../src/guest/open.js';
import { openMemory } from '../../../src/memory/open.js';
import type { DirectoryNode, ProcNode } from '../../../src/shadow/proc/node.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';
import { suspendedGuest, type SuspendedGuest } from '../../lab/suspended.js';

/** `/proc/net` of a real guest a moment before it was suspended, against what we render from its memory. */
let lab: SuspendedGuest;
let guest: Guest;
let tree: DirectoryNode;

beforeAll(async () => {
  lab = await suspendedGuest();
  guest = openGuest(await openMemory(lab.memory));
  tree = renderTree(guest);
});
afterAll(() => guest[Symbol.dispose]());

function rendered(name: string): string {
  const node = ['.tracee', 'net', name].reduce<ProcNode | undefined>(
    (parent, step) => (parent && 'children' in parent ? parent.children.get(step) : undefined),
    tree,
  );
  if (!node || !('content' in node)) throw new Error(`/proc/net/${name} is not rendered`);
  return node.content.toString();
}

/** The kernel's addresses of sockets, which it prints scrambled. */
const withoutAddresses = (text: string) =>
  text.replace(/^[0-9a-f]{16}(?=[: ])|(?<= )[0-9a-f]{16}(?= |$)/gm, '0'.repeat(16));

test.each(['arp', 'if_inet6', 'packet', 'raw', 'raw6', 'route', 'udp', 'udp6', 'netlink'])(
  '%s is the same',
  async (name) => {
    expect(rendered(name)).toBe(withoutAddresses(await lab.inside(`proc-net-${name}`)));
  },
);

test.each(['tcp', 'tcp6'])('%s is the same but for timers', async (name) => {
  const still = (text: string) => text.replace(/(?<= )\d\d:[0-9A-F]{8} [0-9A-F]{8}(?= )/g, 'timer');
  expect(still(rendered(name))).toBe(still(withoutAddresses(await lab.inside(`proc-net-${name}`))));
});

test('tcp has listeners and connections, and what is unread', () => {
  const sockets = guest.tcpSockets();
  const states = sockets.map(({ state }) => state);
  for (const state of [1, 10]) expect(states).toContain(state);
  expect(sockets.map(({ receiveQueue }) => receiveQueue)).toContain(5);
  expect(sockets.some(({ family, local }) => family === 6 && local.port === 5556)).toBe(true);
});

/** Those of the programs that took the captures are gone. */
test('unix has the same sockets', async () => {
  const inside = withoutAddresses(await lab.inside('proc-net-unix'))
    .trimEnd()
    .split('\n');
  const ours = rendered('unix').trimEnd().split('\n');
  expect(inside.length).toBeGreaterThan(20);
  const missing = inside.filter((line) => !ours.includes(line));
  expect(missing.length).toBeLessThan(4);
  expect(ours.filter((line) => !inside.includes(line)).length).toBeLessThan(4);
});

test('dev has the same devices; counts of drivers are 0', async () => {
  const names = (text: string) => text.split('\n').map((line) => line.replace(/: .*/, ''));
  expect(names(rendered('dev'))).toEqual(names(await lab.inside('proc-net-dev')));
});

test('addresses are those that ip prints', async () => {
  const ours = guest
    .netDevices()
    .flatMap(({ name, ipv4 }) =>
      ipv4.map(({ address, prefix }) => `${[...address].join('.')}/${prefix} ${name}`),
    );
  const inside = [...(await lab.inside('ip-addr')).matchAll(/^ +inet (\S+) .*?(\S+)$/gm)];
  expect(ours).toEqual(inside.map(([, address, name]) => `${address} ${name}`));
});

/** A socket that is neither bound nor connected is in no table, and in no file of the guest's either. */
test('the sockets that descriptors lead to are among those that are shown', () => {
  const shown = new Set(
    [
      ...guest.tcpSockets(),
      ...guest.udpSockets(),
      ...guest.rawSockets(),
      ...guest.unixSockets(),
      ...guest.netlinkSockets(),
      ...guest.packetSockets(),
    ].map(({ inode }) => inode),
  );
  const linked = [...guest.openFiles().values()]
    .flat()
    .flatMap(({ target }) => /^socket:\[(\d+)\]$/.exec(target)?.[1] ?? []);
  expect(linked.length).toBeGreaterThan(20);
  expect(linked.filter((inode) => !shown.has(BigInt(inode))).length).toBeLessThan(4);
});
