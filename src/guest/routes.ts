import { OuaError } from '../base/errors.js';
import type { Kernel } from '../kernel/kernel.js';
import { hashListEntries, hex, inconsistent, maxEntries } from '../kernel/lists.js';

/** A route of the main table, as `/proc/net/route` shows it. Addresses are numbers as the host orders them. */
export interface Route {
  /** Undefined for one that leads to no device. */
  readonly device: string | undefined;
  readonly destination: number;
  readonly gateway: number;
  /** Length of the mask. */
  readonly prefix: number;
  /** RTN_*. */
  readonly type: number;
  readonly metric: number;
  readonly advertisedSize: number;
  readonly window: number;
  readonly roundTrip: number;
}

const AF_INET = 2;
const keyBits = 32;
const maxBits = 20;
const maxDepth = 64;
/** RTN_BROADCAST and RTN_MULTICAST: not shown. */
const hiddenTypes = [3, 5];
/** RTAX_* minus 1: indices into a route's metrics (`include/uapi/linux/rtnetlink.h`). */
const RTAX_WINDOW = 2;
const RTAX_RTT = 3;
const RTAX_ADVMSS = 7;

/**
 * By destination: a walk through the trie, whose leaves hold the main table's routes and, without routing rules, the
 * local table's as well (`net/ipv4/fib_trie.c`).
 */
export function readRoutes(kernel: Kernel): Route[] {
  const net = kernel.symbol('init_net');
  const address = kernel.pointer(net + BigInt(kernel.offset('net', 'fib_main')));
  if (address === 0n) return [];
  const table = kernel.view('fib_table', address);
  const routes: Route[] = [];
  const root = kernel.view('key_vector', kernel.view('trie', table.pointer('tb_data')).at('root'));
  let leaves = 0;
  const walk = (at: bigint, depth: number): void => {
    if (at === 0n) return;
    if (depth > maxDepth || ++leaves > maxEntries)
      throw inconsistent(`the routes at ${hex(address)} do not end`);
    const node = kernel.view('key_vector', at);
    const bits = node.uint('bits');
    if (bits > maxBits) throw inconsistent(`a node of the routes at ${hex(at)} has 2^${bits} branches`);
    if (bits === 0) {
      for (const link of hashListEntries(kernel, node.at('leaf'), 'routes'))
        routes.push(...readAlias(kernel, link, node.uint('key'), table.uint('tb_id')));
      return;
    }
    const children = kernel.read(at + BigInt(kernel.offset('key_vector', 'tnode')), 8 * 2 ** bits);
    for (let child = 0; child < 2 ** bits; child++) walk(children.readBigUInt64LE(child * 8), depth + 1);
  };
  walk(kernel.pointer(root.address + BigInt(kernel.offset('key_vector', 'tnode'))), 0);
  return routes;
}

function readAlias(kernel: Kernel, link: bigint, key: number, table: number): Route[] {
  const alias = kernel.container('fib_alias', 'list', link);
  const type = alias.uint('type');
  if (hiddenTypes.includes(type) || alias.uint('tb_id') !== table) return [];
  const found = { destination: key, prefix: keyBits - alias.uint('slen'), type };
  const none = { device: undefined, gateway: 0, metric: 0, advertisedSize: 0, window: 0, roundTrip: 0 };
  const address = alias.pointer('info');
  if (address === 0n) return [{ ...found, ...none }];
  const info = kernel.view('fib_info', address);
  const metrics = kernel.view('dst_metrics', info.pointer('metrics')).raw('metrics');
  return [
    {
      ...found,
      ...none,
      ...nextHop(kernel, info.has('nexthop') ? info.pointer('nexthop') : 0n, info.at('fib_nh')),
      metric: info.uint('priority'),
      advertisedSize: metrics.readUInt32LE(RTAX_ADVMSS * 4),
      window: metrics.readUInt32LE(RTAX_WINDOW * 4),
      roundTrip: metrics.readUInt32LE(RTAX_RTT * 4),
    },
  ];
}

/** The first of several. Those that are objects of their own are not followed. */
function nextHop(kernel: Kernel, object: bigint, first: bigint): Pick<Route, 'device' | 'gateway'> {
  if (object !== 0n)
    throw new OuaError(
      'KERNEL_UNSUPPORTED',
      'a route of the guest leads to a next hop that is an object of its own',
      'routes are then not shown; nothing else depends on them',
    );
  const hop = kernel.view('fib_nh', first);
  const device = hop.pointer('dev');
  return {
    device: device === 0n ? undefined : kernel.view('net_device', device).text('name'),
    gateway: hop.uint('family') === AF_INET ? hop.raw('gw').readUInt32BE(0) : 0,
  };
}
