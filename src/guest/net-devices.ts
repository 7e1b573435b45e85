import type { Kernel } from '../kernel/kernel.js';
import { hashListEntries, hex, inconsistent, listEntries, maxEntries } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

/** A network device of the initial network namespace. */
export interface NetDevice {
  readonly index: number;
  readonly name: string;
  /** ARPHRD_*. */
  readonly type: number;
  readonly mtu: number;
  /** IFF_*. */
  readonly flags: number;
  /** Its hardware address. */
  readonly address: Buffer;
  readonly ipv4: readonly { readonly address: Buffer; readonly prefix: number }[];
}

/** An IPv6 address, as `/proc/net/if_inet6` shows it. */
export interface Inet6Address {
  readonly address: Buffer;
  readonly interface: number;
  readonly name: string;
  readonly prefix: number;
  readonly scope: number;
  readonly flags: number;
}

/** A neighbour that was asked for by ARP, as `/proc/net/arp` shows it. */
export interface Neighbour {
  readonly address: Buffer;
  readonly hardwareType: number;
  readonly hardware: Buffer;
  /** NUD_*. */
  readonly state: number;
  readonly device: string;
}

/** MAX_ADDR_LEN, `include/linux/netdevice.h`. */
const maxHardwareAddress = 32;
/** IN6_ADDR_HSIZE, `include/net/addrconf.h`. */
const inet6Buckets = 256;
const maxNeighbourShift = 20;
/** NUD_NOARP: not in `/proc/net/arp`. */
const NUD_NOARP = 0x40;

/** By their numbers. */
export function readNetDevices(kernel: Kernel): NetDevice[] {
  const head = kernel.symbol('init_net') + BigInt(kernel.offset('net', 'dev_base_head'));
  return [...listEntries(kernel, head, 'network devices')]
    .map((link) => kernel.container('net_device', 'dev_list', link))
    .map((device) => ({
      index: device.int('ifindex'),
      name: device.text('name'),
      type: device.uint('type'),
      mtu: device.uint('mtu'),
      flags: device.uint('flags'),
      address: hardwareAddress(kernel, device, device.pointer('dev_addr')),
      ipv4: ipv4Addresses(kernel, device.pointer('ip_ptr')),
    }))
    .sort((a, b) => a.index - b.index);
}

function hardwareAddress(kernel: Kernel, device: StructView<'net_device'>, address: bigint): Buffer {
  const length = device.uint('addr_len');
  if (length > maxHardwareAddress)
    throw inconsistent(`the network device ${device.text('name')} has an address of ${length} bytes`);
  return length === 0 || address === 0n ? Buffer.alloc(0) : kernel.read(address, length);
}

function ipv4Addresses(kernel: Kernel, address: bigint): NetDevice['ipv4'] {
  if (address === 0n) return [];
  const found: NetDevice['ipv4'][number][] = [];
  for (let at = kernel.view('in_device', address).pointer('ifa_list'); at !== 0n;) {
    if (found.length >= maxEntries) throw inconsistent(`the addresses at ${hex(address)} do not end`);
    const entry = kernel.view('in_ifaddr', at);
    found.push({ address: entry.raw('local'), prefix: entry.uint('prefix') });
    at = entry.pointer('next');
  }
  return found;
}

/** In the order of their hash lists (`net/ipv6/addrconf.c`). */
export function readInet6Addresses(kernel: Kernel): Inet6Address[] {
  const own = kernel.has('net', 'inet6_addresses');
  const table = own
    ? kernel.pointer(kernel.symbol('init_net') + BigInt(kernel.offset('net', 'inet6_addresses')))
    : kernel.symbol('inet6_addr_lst');
  const found: Inet6Address[] = [];
  for (let bucket = 0; bucket < inet6Buckets; bucket++)
    for (const link of hashListEntries(kernel, table + BigInt(bucket * 8), 'IPv6 addresses')) {
      const entry = kernel.container('inet6_ifaddr', 'addr_lst', link);
      const device = kernel.view(
        'net_device',
        kernel.view('inet6_dev', entry.pointer('idev')).pointer('dev'),
      );
      found.push({
        address: entry.raw('addr'),
        interface: device.int('ifindex'),
        name: device.text('name'),
        prefix: entry.uint('prefix_len'),
        scope: entry.uint('scope'),
        flags: entry.uint('flags'),
      });
    }
  return found;
}

/** One of the table's lists, by its place among their heads. */
function* neighboursIn(
  kernel: Kernel,
  table: StructView<'neigh_hash_table'>,
  place: bigint,
): Generator<StructView<'neighbour'>> {
  if (table.has('heads')) {
    for (const link of hashListEntries(kernel, table.pointer('heads') + place, 'neighbours'))
      yield kernel.container('neighbour', 'hash', link);
    return;
  }
  let at = kernel.pointer(table.pointer('buckets') + place);
  for (let count = 0; at !== 0n; count++) {
    if (count >= maxEntries) throw inconsistent('the lists of neighbours do not end');
    const entry = kernel.view('neighbour', at);
    yield entry;
    at = entry.pointer('next');
  }
}

/** In the order of their hash lists (`net/core/neighbour.c`), without those that are nobody's neighbour. */
export function readNeighbours(kernel: Kernel): Neighbour[] {
  const table = kernel.view(
    'neigh_hash_table',
    kernel.view('neigh_table', kernel.symbol('arp_tbl')).pointer('nht'),
  );
  const shift = table.uint('shift');
  if (shift > maxNeighbourShift) throw inconsistent(`the table of neighbours claims 2^${shift} lists`);
  const found: Neighbour[] = [];
  for (let bucket = 0n; bucket < 2n ** BigInt(shift); bucket++)
    for (const entry of neighboursIn(kernel, table, bucket * 8n)) {
      if ((entry.uint('state') & ~NUD_NOARP) === 0) continue;
      const device = kernel.view('net_device', entry.pointer('dev'));
      found.push({
        address: kernel.read(entry.address + BigInt(kernel.offset('neighbour', 'key')), 4),
        hardwareType: device.uint('type'),
        hardware: hardwareAddress(kernel, device, entry.at('ha')),
        state: entry.uint('state'),
        device: device.text('name'),
      });
    }
  return found;
}
