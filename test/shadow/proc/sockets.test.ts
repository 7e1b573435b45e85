import type { InetSocket } from '../../../src/guest/inet-sockets.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';
import { fixtureGuest } from './fixture-guest.js';
import type { Guest } from '../../../src/guest/guest.js';

function content(name: string, changes: Partial<Guest>): string {
  const template = renderTree(fixtureGuest(changes)).children.get('.tracee');
  const net = template && 'children' in template ? template.children.get('net') : undefined;
  const node = net && 'children' in net ? net.children.get(name) : undefined;
  return node && 'content' in node ? node.content.toString() : '';
}

const listener: InetSocket = {
  family: 4,
  bucket: 7,
  local: { address: Buffer.from([127, 0, 0, 1]), port: 22 },
  remote: { address: Buffer.alloc(4), port: 0 },
  refcount: 1,
  state: 10,
  uid: 0,
  inode: 4242n,
  sendQueue: 0,
  receiveQueue: 0,
  drops: 0,
  tcp: {
    timer: 0,
    timerLeft: 0n,
    retransmits: 0,
    probes: 0,
    full: { rto: 100n, ato: 0n, acknowledge: 0, window: 10, threshold: 0 },
  },
};
const secondFour = (text: string) => text.split('\n')[1];

test('a listener in tcp, padded as the kernel does', () => {
  expect(secondFour(content('tcp', { tcpSockets: () => [listener] }))).toBe(
    '   0: 0100007F:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 100 0 0 10 0'.padEnd(
      149,
    ),
  );
  expect(
    content('tcp6', { tcpSockets: () => [listener] })
      .trim()
      .split('\n'),
  ).toHaveLength(1);
});

test('udp names the hash list and not the row', () => {
  const { tcp, ...datagram } = listener;
  expect(tcp).toBeDefined();
  expect(secondFour(content('udp', { udpSockets: () => [{ ...datagram, state: 7, drops: 3 }] }))).toBe(
    '    7: 0100007F:0016 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 4242 1 0000000000000000 3'.padEnd(
      127,
    ),
  );
});

test('names of unix sockets are bytes; an abstract one begins with @', () => {
  const socket = { ...listener, state: 1, type: 1, owned: true };
  const names = [Buffer.from('/run/a'), Buffer.from('\0b\0c'), undefined];
  const rows = content('unix', { unixSockets: () => names.map((name) => ({ ...socket, name })) }).split('\n');
  expect(rows[1]).toBe('0000000000000000: 00000001 00000000 00000000 0001 03  4242 /run/a');
  expect(rows.slice(2, 4).map((row) => row.slice(-7))).toEqual(['42 @b@c', '03  4242'.slice(-7)]);
});

test('routes: numbers in the order of the wire, flags from type, gateway and mask', () => {
  const route = { type: 1, metric: 1024, advertisedSize: 0, window: 0, roundTrip: 0, device: 'ens3' };
  const routes = () => [
    { ...route, destination: 0, prefix: 0, gateway: 0x0a000202 },
    { ...route, destination: 0x0a000200, prefix: 24, gateway: 0 },
    { ...route, destination: 0x0a000203, prefix: 32, gateway: 0, type: 7, device: undefined },
  ];
  expect(
    content('route', { routes })
      .split('\n')
      .slice(1, 4)
      .map((line) => line.trimEnd()),
  ).toEqual([
    'ens3\t00000000\t0202000A\t0003\t0\t0\t1024\t00000000\t0\t0\t0',
    'ens3\t0002000A\t00000000\t0001\t0\t0\t1024\t00FFFFFF\t0\t0\t0',
    '*\t0302000A\t00000000\t0205\t0\t0\t1024\tFFFFFFFF\t0\t0\t0',
  ]);
});

test('arp: complete and permanent entries', () => {
  const entry = {
    address: Buffer.from([10, 0, 2, 2]),
    hardwareType: 1,
    hardware: Buffer.from('525500000202', 'hex'),
  };
  const neighbours = () => [
    { ...entry, state: 4, device: 'ens3' },
    { ...entry, state: 0x80, device: 'ens3' },
  ];
  expect(content('arp', { neighbours }).split('\n').slice(1, 3)).toEqual([
    '10.0.2.2         0x1         0x2         52:55:00:00:02:02     *        ens3',
    '10.0.2.2         0x1         0x6         52:55:00:00:02:02     *        ens3',
  ]);
});
