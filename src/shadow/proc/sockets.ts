import type { Guest } from '../../guest/guest.js';
import type { Endpoint, InetSocket } from '../../guest/inet-sockets.js';
import type { UnixSocket } from '../../guest/local-sockets.js';
import { lines } from './text.js';

const HEX = (value: number | bigint, width: number) => value.toString(16).toUpperCase().padStart(width, '0');
/** What a reader sees who may not know addresses of the kernel: `%pK` with kptr_restrict 2. */
const hiddenAddress = '0'.repeat(16);

/** An address as words of the host's byte order, and a port. */
const endpoint = ({ address, port }: Endpoint) => {
  const words = Array.from({ length: address.length / 4 }, (_, word) =>
    HEX(address.readUInt32LE(word * 4), 8),
  );
  return `${words.join('')}:${HEX(port, 4)}`;
};

const columns = ' st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const heads = {
  4: '  sl  local_address rem_address  ',
  6: `  sl  ${'local_address'.padEnd(38)}${'remote_address'.padEnd(37)}`,
} as const;
const tcpWidth = 149;
const udpWidth = 127;

const ofFamily = (sockets: readonly InetSocket[], family: 4 | 6) =>
  sockets.filter((socket) => socket.family === family);

/** `/proc/net/tcp` and `tcp6` (`tcp4_seq_show`, net/ipv4/tcp_ipv4.c; `tcp6_seq_show`, net/ipv6/tcp_ipv6.c). */
export function renderTcp(guest: Guest, family: 4 | 6): string {
  const rows = ofFamily(guest.tcpSockets(), family).map(tcpLine);
  const all = [heads[family] + columns, ...rows];
  return lines(family === 4 ? all.map((line) => line.padEnd(tcpWidth)) : all);
}

function tcpLine(socket: InetSocket, index: number): string {
  const { tcp } = socket;
  const full = tcp?.full;
  return [
    `${String(index).padStart(4)}:`,
    endpoint(socket.local),
    endpoint(socket.remote),
    HEX(socket.state, 2),
    `${HEX(socket.sendQueue, 8)}:${HEX(socket.receiveQueue, 8)}`,
    `${HEX(tcp?.timer ?? 0, 2)}:${HEX(tcp?.timerLeft ?? 0, 8)}`,
    HEX(tcp?.retransmits ?? 0, 8),
    String(socket.uid).padStart(5),
    String(tcp?.probes ?? 0).padStart(8),
    socket.inode,
    socket.refcount,
    hiddenAddress,
    ...(full ? [full.rto, full.ato, full.acknowledge, full.window, full.threshold] : []),
  ].join(' ');
}

const datagramColumns = `${columns} ref pointer drops`;

/** `/proc/net/udp` and its like (`udp4_format_sock`, net/ipv4/udp.c; `__ip6_dgram_sock_seq_show`, net/ipv6/datagram.c). */
function datagramFile(sockets: readonly InetSocket[], family: 4 | 6, indent: string, width: number): string {
  const rows = ofFamily(sockets, family).map((socket) =>
    [
      `${String(socket.bucket).padStart(family === 6 ? 5 : 4 + indent.length)}:`,
      endpoint(socket.local),
      endpoint(socket.remote),
      HEX(socket.state, 2),
      `${HEX(socket.sendQueue >>> 0, 8)}:${HEX(socket.receiveQueue >>> 0, 8)}`,
      '00:00000000 00000000',
      String(socket.uid).padStart(5),
      '0'.padStart(8),
      socket.inode,
      socket.refcount,
      hiddenAddress,
      socket.drops,
    ].join(' '),
  );
  return lines([indent + heads[family] + datagramColumns, ...rows].map((line) => line.padEnd(width)));
}

export const renderUdp = (sockets: readonly InetSocket[], family: 4 | 6) =>
  family === 4 ? datagramFile(sockets, 4, ' ', udpWidth) : datagramFile(sockets, 6, '', 0);

/** `/proc/net/raw` and `raw6` (`raw_sock_seq_show`, net/ipv4/raw.c). */
export const renderRaw = (guest: Guest, family: 4 | 6) => datagramFile(guest.rawSockets(), family, '', 0);

const TCP_ESTABLISHED = 1;
const TCP_LISTEN = 10;
const acceptsConnections = 1 << 16;

/** `/proc/net/unix` (`unix_seq_show`, net/unix/af_unix.c). */
export function renderUnix(guest: Guest): Buffer {
  const rows = guest
    .unixSockets()
    .map((socket) => Buffer.concat([Buffer.from(unixLine(socket)), unixName(socket)]));
  return Buffer.concat([Buffer.from('Num       RefCount Protocol Flags    Type St Inode Path\n'), ...rows]);
}

/** SS_CONNECTED and SS_UNCONNECTED of a socket with an owner, SS_CONNECTING and SS_DISCONNECTING of others. */
function unixLine({ refcount, state, type, owned, inode }: UnixSocket): string {
  const connected = state === TCP_ESTABLISHED;
  return [
    `${hiddenAddress}:`,
    HEX(refcount, 8),
    HEX(0, 8),
    HEX(state === TCP_LISTEN ? acceptsConnections : 0, 8),
    HEX(type, 4),
    HEX(owned ? (connected ? 3 : 1) : connected ? 2 : 4, 2),
    String(inode).padStart(5),
  ].join(' ');
}

/** Names are bytes; a NUL in one is shown as `@`. */
function unixName({ name }: UnixSocket): Buffer {
  const shown = (name ?? Buffer.alloc(0)).map((byte) => byte || 0x40);
  return Buffer.concat([Buffer.from(name ? ' ' : ''), shown, Buffer.from('\n')]);
}

/** `/proc/net/netlink` (`netlink_native_seq_show`, net/netlink/af_netlink.c). */
export function renderNetlink(guest: Guest): string {
  const pad = (value: number | bigint | string, width: number) => String(value).padEnd(width);
  return lines([
    'sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode',
    ...guest
      .netlinkSockets()
      .map((socket) =>
        [
          hiddenAddress,
          pad(socket.protocol, 3),
          pad(socket.port, 10),
          HEX(socket.groups, 8).toLowerCase(),
          pad(socket.receiveQueue, 8),
          pad(socket.sendQueue, 8),
          pad(socket.dumping ? 1 : 0, 5),
          pad(socket.refcount, 8),
          pad(socket.drops, 8),
          pad(socket.inode, 8),
        ].join(' '),
      ),
  ]);
}

/** `/proc/net/packet` (`packet_seq_show`, net/packet/af_packet.c). */
export function renderPacket(guest: Guest): string {
  const pad = (value: number | bigint, width: number) => String(value).padEnd(width);
  return lines([
    `${'sk'.padEnd(17)}RefCnt Type Proto  Iface R Rmem   User   Inode`,
    ...guest
      .packetSockets()
      .map((socket) =>
        [
          hiddenAddress,
          pad(socket.refcount, 6),
          pad(socket.type, 4),
          `${HEX(socket.protocol, 4).toLowerCase()}  `,
          pad(socket.interface, 5),
          1,
          pad(socket.receiveQueue, 6),
          pad(socket.uid, 6),
          pad(socket.inode, 6),
        ].join(' '),
      ),
  ]);
}
