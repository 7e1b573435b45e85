/** Socket addresses, as connect(2) and bind(2) take them. */

/** `AF_*` of linux/socket.h. */
const families = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;

export type SocketAddress =
  /** unix(7). The path is as given, perhaps relative; an abstract name is without its leading NUL; both may be empty. */
  | { readonly family: 'unix'; readonly path: Buffer; readonly abstract: boolean }
  | { readonly family: 'inet'; readonly host: string; readonly port: number }
  | { readonly family: 'inet6'; readonly host: string; readonly port: number; readonly scope: number }
  | { readonly family: 'netlink'; readonly pid: number; readonly groups: number }
  /** Another family, or an address that is too short for its own. `number` is -1 when not even that was given. */
  | { readonly family: 'other'; readonly number: number };

const portAt = 2;

function unix(bytes: Buffer): SocketAddress {
  const path = bytes.subarray(2);
  const abstract = path.length > 0 && path[0] === 0;
  const nul = path.indexOf(0);
  const end = nul < 0 ? path.length : nul;
  return { family: 'unix', path: Buffer.from(abstract ? path.subarray(1) : path.subarray(0, end)), abstract };
}

function inet(bytes: Buffer): SocketAddress {
  return { family: 'inet', host: [...bytes.subarray(4, 8)].join('.'), port: bytes.readUInt16BE(portAt) };
}

function inet6(bytes: Buffer): SocketAddress {
  const words = Array.from({ length: 8 }, (_, index) => bytes.readUInt16BE(8 + 2 * index).toString(16));
  // RFC 5952, as URL writes it.
  const host = new URL(`http://[${words.join(':')}]`).hostname.slice(1, -1);
  // The scope came later: older programs leave it out.
  const scope = bytes.length >= 28 ? bytes.readUInt32LE(24) : 0;
  return { family: 'inet6', host, port: bytes.readUInt16BE(portAt), scope };
}

function netlink(bytes: Buffer): SocketAddress {
  return { family: 'netlink', pid: bytes.readUInt32LE(4), groups: bytes.readUInt32LE(8) };
}

/** Family → least length that the kernel takes, and how to read it. */
const readers = new Map<number, { readonly least: number; readonly read: (bytes: Buffer) => SocketAddress }>([
  [families.unix, { least: 2, read: unix }],
  [families.inet, { least: 16, read: inet }],
  [families.inet6, { least: 24, read: inet6 }],
  [families.netlink, { least: 12, read: netlink }],
]);

/** Decodes a `struct sockaddr` of whatever bytes: never throws, never reads past them. */
export function decodeAddress(bytes: Buffer): SocketAddress {
  if (bytes.length < 2) return { family: 'other', number: -1 };
  const number = bytes.readUInt16LE(0);
  const reader = readers.get(number);
  return reader && bytes.length >= reader.least ? reader.read(bytes) : { family: 'other', number };
}
