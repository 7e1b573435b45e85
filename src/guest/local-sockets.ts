import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, maxEntries } from '../kernel/lists.js';
import { filledHeads, socketBasics, socketList, type SocketBasics } from './socket-list.js';

export interface UnixSocket extends SocketBasics {
  readonly type: number;
  /** Whether a descriptor leads to it. */
  readonly owned: boolean;
  /** As it was bound: a path, or a NUL and an abstract name; undefined without one. */
  readonly name: Buffer | undefined;
}

export interface NetlinkSocket extends SocketBasics {
  readonly protocol: number;
  readonly port: number;
  readonly groups: number;
  readonly dumping: boolean;
}

export interface PacketSocket extends SocketBasics {
  readonly type: number;
  readonly protocol: number;
  readonly interface: number;
}

/** UNIX_HASH_SIZE: as many lists for paths as for the others. */
const unixBuckets = 512;
/** MAX_LINKS, `include/uapi/linux/netlink.h`. */
const netlinkProtocols = 32;
const maxBuckets = 1 << 22;
/** sizeof(struct sockaddr_un), and where its path begins. */
const maxUnixName = 110;
const unixPathOffset = 2;

/** In the order of `/proc/net/unix` (`net/unix/af_unix.c`). */
export function readUnixSockets(kernel: Kernel): UnixSocket[] {
  const net = kernel.symbol('init_net');
  const table = kernel.has('net', 'unix_buckets')
    ? kernel.pointer(net + BigInt(kernel.offset('net', 'unix_buckets')))
    : kernel.symbol('unix_socket_table');
  const sockets: UnixSocket[] = [];
  for (const [, head] of filledHeads(kernel, table, unixBuckets, 8, 0))
    for (const address of socketList(kernel, head, net, 'unix sockets')) {
      const sock = kernel.view('sock', address);
      sockets.push({
        ...socketBasics(kernel, sock),
        type: sock.uint('type'),
        owned: sock.pointer('socket') !== 0n,
        name: unixName(kernel, kernel.view('unix_sock', address).pointer('addr')),
      });
    }
  return sockets;
}

function unixName(kernel: Kernel, address: bigint): Buffer | undefined {
  if (address === 0n) return undefined;
  const name = kernel.view('unix_address', address);
  const length = name.int('len');
  if (length < unixPathOffset || length > maxUnixName + 1)
    throw inconsistent(`the name of a unix socket at ${hex(address)} has ${length} bytes`);
  const bytes = kernel.read(name.at('name') + BigInt(unixPathOffset), length - unixPathOffset);
  // The length of a path counts its NUL.
  return bytes[0] ? bytes.subarray(0, -1) : bytes;
}

/** In the order of `/proc/net/netlink` (`net/netlink/af_netlink.c`): by protocol, then by list. */
export function readNetlinkSockets(kernel: Kernel): NetlinkSocket[] {
  const net = kernel.symbol('init_net');
  const tables = kernel.pointer(kernel.symbol('nl_table'));
  const stride = BigInt(kernel.layout('netlink_table').size);
  const sockets: NetlinkSocket[] = [];
  for (let protocol = 0; protocol < netlinkProtocols; protocol++) {
    const hash = tables + BigInt(protocol) * stride + BigInt(kernel.offset('netlink_table', 'hash'));
    for (const node of hashTableNodes(kernel, kernel.view('rhashtable', hash).pointer('tbl'))) {
      const netlink = kernel.container('netlink_sock', 'node', node);
      const sock = kernel.view('sock', netlink.address);
      if (sock.pointer('net') !== net) continue;
      const groups = netlink.pointer('groups');
      sockets.push({
        ...socketBasics(kernel, sock),
        protocol: sock.uint('protocol'),
        port: netlink.uint('portid'),
        groups: groups === 0n ? 0 : kernel.u32(groups),
        dumping: netlink.uint('cb_running') !== 0,
      });
    }
  }
  return sockets;
}

/** The entries of a `struct bucket_table` (`include/linux/rhashtable.h`), one list after the other. */
function* hashTableNodes(kernel: Kernel, address: bigint): Generator<bigint> {
  if (address === 0n) return;
  const table = kernel.view('bucket_table', address);
  const size = table.uint('size');
  if (table.uint('nest') !== 0 || size > maxBuckets)
    throw inconsistent(`the hash table at ${hex(address)} is being made larger`);
  const heads = kernel.read(table.at('buckets'), size * 8);
  let count = 0;
  for (let bucket = 0; bucket < size; bucket++) {
    // The lowest bit of a head is a lock; of a link it says that the list ends.
    let at = heads.readBigUInt64LE(bucket * 8) & ~1n;
    for (; at !== 0n && (at & 1n) === 0n; at = kernel.pointer(at)) {
      if (++count > maxEntries) throw inconsistent(`the hash table at ${hex(address)} does not end`);
      yield at;
    }
  }
}

/** In the order of `/proc/net/packet` (`net/packet/af_packet.c`). */
export function readPacketSockets(kernel: Kernel): PacketSocket[] {
  const net = kernel.symbol('init_net');
  const head = net + BigInt(kernel.offset('net', 'packets'));
  return [...socketList(kernel, head, net, 'packet sockets')].map((address) => {
    const sock = kernel.view('sock', address);
    const packet = kernel.view('packet_sock', address);
    return {
      ...socketBasics(kernel, sock),
      type: sock.uint('type'),
      protocol: packet.raw('num').readUInt16BE(0),
      interface: packet.int('ifindex'),
    };
  });
}
