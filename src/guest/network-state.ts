import type { InetSocket } from './inet-sockets.js';
import type { NetlinkSocket, PacketSocket, UnixSocket } from './local-sockets.js';
import type { Inet6Address, Neighbour, NetDevice } from './net-devices.js';
import type { Route } from './routes.js';

/**
 * The guest's initial network namespace, by subject. Methods throw OuaError `KERNEL_UNSUPPORTED` when this kernel keeps a
 * subject in a way that is not known, and `GUEST_INCONSISTENT` when its structures contradict themselves.
 */
export interface NetworkState {
  netDevices(): readonly NetDevice[];
  inet6Addresses(): readonly Inet6Address[];
  neighbours(): readonly Neighbour[];
  routes(): readonly Route[];
  tcpSockets(): readonly InetSocket[];
  udpSockets(): readonly InetSocket[];
  udpLiteSockets(): readonly InetSocket[];
  rawSockets(): readonly InetSocket[];
  unixSockets(): readonly UnixSocket[];
  netlinkSockets(): readonly NetlinkSocket[];
  packetSockets(): readonly PacketSocket[];
}
