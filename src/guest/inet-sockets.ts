import type { Kernel } from '../kernel/kernel.js';
import { inconsistent } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';
import { filledHeads, socketBasics, socketList, type Sock, type SocketBasics } from './socket-list.js';
import { ticksPerSecond } from './time.js';

/** An IP address and a port; 4 or 16 bytes, as on the wire. */
export interface Endpoint {
  readonly address: Buffer;
  readonly port: number;
}

/** A socket of TCP, UDP or raw IP in the initial network namespace. */
export interface InetSocket extends SocketBasics {
  readonly family: 4 | 6;
  /** The hash list that it is in: the first column of `/proc/net/udp` and `raw`. */
  readonly bucket: number;
  readonly local: Endpoint;
  readonly remote: Endpoint;
  readonly tcp?: TcpState;
}

/** What `/proc/net/tcp` shows besides; times in hundredths of a second. */
export interface TcpState {
  /** Which timer runs, and when it ends from now on. */
  readonly timer: number;
  readonly timerLeft: bigint;
  readonly retransmits: number;
  readonly probes: number;
  /** Only of a socket that has an owner. */
  readonly full:
    | {
        readonly rto: bigint;
        readonly ato: bigint;
        readonly acknowledge: number;
        readonly window: number;
        readonly threshold: number;
      }
    | undefined;
}

const AF_INET = 2;
const AF_INET6 = 10;
const TCP_SYN_RECV = 3;
const TCP_TIME_WAIT = 6;
const TCP_LISTEN = 10;
const TCP_NEW_SYN_RECV = 12;
const TCP_INFINITE_SSTHRESH = 0x7fffffff;
const PINGPONG_THRESHOLD = 3;
const USER_HZ = 100n;
const maxBuckets = 1 << 22;
const rawBuckets = 256;
const oldListenBuckets = 32;

/** Timers of icsk_pending that are shown as 1, and the one that is shown as 4 (`include/net/inet_connection_sock.h`). */
const retransmitTimers = [1, 5, 6];
const probeTimer = 3;

/** Listeners, then connections, in the order of `/proc/net/tcp` and `tcp6` (tcp_seq_start(), `net/ipv4/tcp_ipv4.c`). */
export function readTcpSockets(kernel: Kernel): InetSocket[] {
  const net = kernel.symbol('init_net');
  const own = kernel.has('net', 'tcp_hashinfo')
    ? kernel.pointer(net + BigInt(kernel.offset('net', 'tcp_hashinfo')))
    : 0n;
  const tables = kernel.view('inet_hashinfo', own || kernel.symbol('tcp_hashinfo'));
  const clock = { now: kernel.pointer(kernel.symbol('jiffies_64')), hz: BigInt(ticksPerSecond(kernel)) };
  const sockets: InetSocket[] = [];
  const old = tables.has('listening_hash');
  const listeners = filledHeads(
    kernel,
    old ? tables.at('listening_hash') : tables.pointer('lhash2'),
    old ? oldListenBuckets : bounded(tables.uint('lhash2_mask') + 1),
    kernel.layout('inet_listen_hashbucket').size,
    kernel.offset('inet_listen_hashbucket', 'nulls_head'),
  );
  const established = filledHeads(
    kernel,
    tables.pointer('ehash'),
    bounded(tables.uint('ehash_mask') + 1),
    kernel.layout('inet_ehash_bucket').size,
    kernel.offset('inet_ehash_bucket', 'chain'),
  );
  for (const heads of [listeners, established])
    for (const [bucket, head] of heads)
      for (const address of socketList(kernel, head, net, 'TCP sockets'))
        sockets.push(...tcpSocket(kernel, address, bucket, clock));
  return sockets;
}

export function readUdpSockets(kernel: Kernel, lite = false): InetSocket[] {
  const net = kernel.symbol('init_net');
  const own =
    !lite && kernel.has('net', 'udp_table')
      ? kernel.pointer(net + BigInt(kernel.offset('net', 'udp_table')))
      : 0n;
  const table = kernel.view('udp_table', own || kernel.symbol(lite ? 'udplite_table' : 'udp_table'));
  const heads = filledHeads(
    kernel,
    table.pointer('hash'),
    bounded(table.uint('mask') + 1),
    kernel.layout('udp_hslot').size,
    kernel.offset('udp_hslot', 'head'),
  );
  return plainSockets(kernel, heads, net, (sock, basics) => ({
    ...basics,
    receiveQueue: basics.receiveQueue - kernel.view('udp_sock', sock.address).int('forward_deficit'),
  }));
}

export function readRawSockets(kernel: Kernel): InetSocket[] {
  const net = kernel.symbol('init_net');
  return (['raw_v4_hashinfo', 'raw_v6_hashinfo'] as const).flatMap((symbol) => {
    const table = kernel.symbol(symbol) + BigInt(kernel.offset('raw_hashinfo', 'ht'));
    return plainSockets(kernel, filledHeads(kernel, table, rawBuckets, 8, 0), net, (_, basics) => basics).map(
      // The protocol's number is what a raw socket has for a port.
      (socket) => ({ ...socket, remote: { ...socket.remote, port: 0 } }),
    );
  });
}

function plainSockets(
  kernel: Kernel,
  heads: Iterable<[bucket: number, head: bigint]>,
  net: bigint,
  adjust: (sock: Sock, basics: SocketBasics) => SocketBasics,
): InetSocket[] {
  const sockets: InetSocket[] = [];
  for (const [bucket, head] of heads)
    for (const address of socketList(kernel, head, net, 'sockets')) {
      const sock = kernel.view('sock', address);
      const ends = endpoints(sock, ownPort(kernel, address));
      if (ends) sockets.push({ ...ends, ...adjust(sock, socketBasics(kernel, sock)), bucket });
    }
  return sockets;
}

interface Clock {
  readonly now: bigint;
  readonly hz: bigint;
}

function tcpSocket(kernel: Kernel, address: bigint, bucket: number, clock: Clock): InetSocket[] {
  const state = kernel.read(address + BigInt(kernel.offset('sock', 'state')), 1)[0] ?? 0;
  if (state === TCP_TIME_WAIT || state === TCP_NEW_SYN_RECV)
    return smallSocket(kernel, address, state, bucket, clock);
  const sock = kernel.view('sock', address);
  const ends = endpoints(sock, ownPort(kernel, address));
  if (!ends) return [];
  const tcp = kernel.view('tcp_sock', address);
  const connection = kernel.view('inet_connection_sock', address);
  const unread = (tcp.uint('rcv_nxt') - tcp.uint('copied_seq')) | 0;
  const [timer, expires] = pendingTimer(sock, connection, clock.now);
  const threshold = tcp.uint('snd_ssthresh');
  return [
    {
      ...ends,
      ...socketBasics(kernel, sock),
      bucket,
      sendQueue: (tcp.uint('write_seq') - tcp.uint('snd_una')) >>> 0,
      receiveQueue: state === TCP_LISTEN ? sock.uint('ack_backlog') : Math.max(0, unread),
      tcp: {
        timer,
        timerLeft: left(expires, clock),
        retransmits: connection.uint('retransmits'),
        probes: connection.uint('probes_out'),
        full: {
          rto: (BigInt(connection.uint('rto')) * USER_HZ) / clock.hz,
          ato: (BigInt(connection.uint('ato')) * USER_HZ) / clock.hz,
          acknowledge:
            (connection.uint('quick') << 1) | (connection.uint('pingpong') >= PINGPONG_THRESHOLD ? 1 : 0),
          window: tcp.uint('snd_cwnd'),
          threshold:
            state === TCP_LISTEN
              ? connection.uint('fastopen_max')
              : threshold >= TCP_INFINITE_SSTHRESH
                ? -1
                : threshold,
        },
      },
    },
  ];
}

function pendingTimer(
  sock: Sock,
  connection: StructView<'inet_connection_sock'>,
  now: bigint,
): [timer: number, expires: bigint] {
  const pending = connection.uint('pending');
  const timeout = () =>
    connection.has('timeout') ? connection.u64('timeout') : sock.u64('retransmit_expires');
  if (retransmitTimers.includes(pending)) return [1, timeout()];
  if (pending === probeTimer) return [4, timeout()];
  const [link, expires] = connection.has('keepalive_pprev')
    ? [connection.pointer('keepalive_pprev'), connection.u64('keepalive_expires')]
    : [sock.pointer('timer_pprev'), sock.u64('timer_expires')];
  return link === 0n ? [0, now] : [2, expires];
}

/** One that waits, or that asks: they have less than a socket, and begin as one does. */
function smallSocket(
  kernel: Kernel,
  address: bigint,
  state: number,
  bucket: number,
  clock: Clock,
): InetSocket[] {
  const sock = kernel.view('sock', address);
  const waiting = state === TCP_TIME_WAIT;
  const expires = waiting
    ? kernel.view('inet_timewait_sock', address).u64('timer_expires')
    : kernel.view('request_sock', address).u64('timer_expires');
  const ends = endpoints(sock, sock.uint('num'));
  if (!ends) return [];
  return [
    {
      ...ends,
      bucket,
      refcount: waiting ? sock.uint('refcnt') : 0,
      state: waiting ? kernel.view('inet_timewait_sock', address).uint('substate') : TCP_SYN_RECV,
      uid: 0,
      inode: 0n,
      sendQueue: 0,
      receiveQueue: 0,
      drops: 0,
      tcp: {
        timer: waiting ? 3 : 1,
        timerLeft: left(expires, clock),
        retransmits: waiting ? 0 : kernel.view('request_sock', address).uint('num_timeout'),
        probes: 0,
        full: undefined,
      },
    },
  ];
}

function left(expires: bigint, { now, hz }: Clock): bigint {
  const ticks = BigInt.asIntN(64, expires - now);
  return ticks > 0n ? (ticks * USER_HZ) / hz : 0n;
}

function endpoints(sock: Sock, port: number): Pick<InetSocket, 'family' | 'local' | 'remote'> | undefined {
  const family = sock.uint('family');
  if (family !== AF_INET && family !== AF_INET6) return undefined;
  const six = family === AF_INET6;
  return {
    family: six ? 6 : 4,
    local: { address: sock.raw(six ? 'v6_rcv_saddr' : 'rcv_saddr'), port },
    remote: { address: sock.raw(six ? 'v6_daddr' : 'daddr'), port: sock.raw('dport').readUInt16BE(0) },
  };
}

function ownPort(kernel: Kernel, address: bigint): number {
  return kernel.view('inet_sock', address).raw('sport').readUInt16BE(0);
}

function bounded(count: number): number {
  if (count > maxBuckets) throw inconsistent(`a table of sockets claims ${count} lists`);
  return count;
}
