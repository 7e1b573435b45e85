import type { Guest } from '../../guest/guest.js';
import type { Neighbour } from '../../guest/net-devices.js';
import type { Route } from '../../guest/routes.js';
import { lines } from './text.js';

const hex = (value: number | bigint, width: number) => value.toString(16).padStart(width, '0');
const HEX = (value: number | bigint, width: number) => hex(value, width).toUpperCase();
/** A number in the other byte order, as the kernel prints one that came from the wire. */
const swapped = (value: number) =>
  Buffer.from([value, value >>> 8, value >>> 16, value >>> 24]).readUInt32BE(0);

/** RTF_*, `include/uapi/linux/route.h`; and the types of routes that are refusals. */
const RTF_UP = 0x1;
const RTF_GATEWAY = 0x2;
const RTF_HOST = 0x4;
const RTF_REJECT = 0x200;
const refusals = [7, 8];
const routeWidth = 127;

/** `/proc/net/route` (`fib_route_seq_show`, net/ipv4/fib_trie.c). */
export function renderRoutes(guest: Guest): string {
  const head = 'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT';
  return lines([head, ...guest.routes().map(routeLine)].map((line) => line.padEnd(routeWidth)));
}

function routeLine(route: Route): string {
  const flags =
    RTF_UP |
    (refusals.includes(route.type) ? RTF_REJECT : 0) |
    (route.gateway ? RTF_GATEWAY : 0) |
    (route.prefix === 32 ? RTF_HOST : 0);
  const mask = route.prefix === 0 ? 0 : (0xffffffff << (32 - route.prefix)) >>> 0;
  return [
    route.device ?? '*',
    HEX(swapped(route.destination), 8),
    HEX(swapped(route.gateway), 8),
    HEX(flags, 4),
    0,
    0,
    route.metric | 0,
    HEX(swapped(mask), 8),
    route.advertisedSize ? route.advertisedSize + 40 : 0,
    route.window,
    route.roundTrip >>> 3,
  ].join('\t');
}

/** `/proc/net/if_inet6` (`if6_seq_show`, net/ipv6/addrconf.c). */
export function renderInet6Addresses(guest: Guest): string {
  return lines(
    guest
      .inet6Addresses()
      .map(({ address, interface: index, prefix, scope, flags, name }) =>
        [
          address.toString('hex'),
          ...[index, prefix, scope, flags & 0xff].map((value) => hex(value, 2)),
          name.padStart(8),
        ].join(' '),
      ),
  );
}

/** NUD_PERMANENT, NUD_VALID and ATF_PERM, ATF_COM. */
const permanent = 0x80;
const valid = 0xde;
const arpFlags = ({ state }: Neighbour) => (state & permanent ? 0x6 : state & valid ? 0x2 : 0);

/** `/proc/net/arp` (`arp_format_neigh_entry`, net/ipv4/arp.c). */
export function renderArp(guest: Guest): string {
  return lines([
    'IP address       HW type     Flags       HW address            Mask     Device',
    ...guest.neighbours().map((entry) => {
      const hardware = [...entry.hardware].map((byte) => hex(byte, 2)).join(':');
      const [type, flags] = [entry.hardwareType, arpFlags(entry)].map(
        (value) => `0x${value.toString(16).padEnd(10)}`,
      );
      return `${[...entry.address].join('.').padEnd(16)} ${type}${flags}${hardware.padEnd(17)}     *        ${entry.device}`;
    }),
  ]);
}

/**
 * `/proc/net/dev` (`dev_seq_show`, net/core/net-procfs.c). Most drivers keep their counts in their own structures, which
 * the kernel's type information does not describe: all are shown as 0.
 */
export function renderNetDevices(guest: Guest): string {
  const widths = [7, 7, 4, 4, 4, 5, 10, 9, 8, 7, 4, 4, 4, 5, 7, 10];
  return lines([
    'Inter-|   Receive                                                |  Transmit',
    ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed',
    ...guest
      .netDevices()
      .map(({ name }) => `${name.padStart(6)}: ${widths.map((width) => '0'.padStart(width)).join(' ')}`),
  ]);
}
