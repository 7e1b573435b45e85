import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, maxEntries } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

export type Sock = StructView<'sock'>;

/** What every file about sockets shows of one. */
export interface SocketBasics {
  readonly refcount: number;
  readonly state: number;
  readonly uid: number;
  /** st_ino: the number in `socket:[N]`; 0 for one that no descriptor leads to. */
  readonly inode: bigint;
  readonly sendQueue: number;
  readonly receiveQueue: number;
  readonly drops: number;
}

/** SOCK_INODE(), sk_wmem_alloc_get() and their like, `include/net/sock.h`. */
export function socketBasics(kernel: Kernel, sock: Sock): SocketBasics {
  const socket = sock.pointer('socket');
  const inode =
    socket === 0n
      ? undefined
      : kernel.view('inode', kernel.container('socket_alloc', 'socket', socket).at('inode'));
  return {
    refcount: sock.uint('refcnt'),
    state: sock.uint('state'),
    uid: inode?.uint('i_uid') ?? 0,
    inode: inode?.u64('i_ino') ?? 0n,
    sendQueue: sock.uint('wmem_alloc') - 1,
    receiveQueue: sock.int('rmem_alloc'),
    drops: sock.int('drops'),
  };
}

/**
 * The sockets of the initial network namespace in one list. Lists of both kinds end with something that is no
 * address: NULL, or a number with the lowest bit set. Each back link is checked.
 *
 * @param head address of the list's head
 */
export function* socketList(kernel: Kernel, head: bigint, net: bigint, what: string): Generator<bigint> {
  const offset = BigInt(kernel.offset('sock', 'node'));
  let previous = head;
  let at = kernel.pointer(head);
  for (let count = 0; at !== 0n && (at & 1n) === 0n; count++) {
    if (count >= maxEntries) throw inconsistent(`the list of ${what} at ${hex(head)} does not end`);
    const link = kernel.read(at, 16);
    if (link.readBigUInt64LE(8) !== previous)
      throw inconsistent(
        `the list of ${what} is torn at ${hex(at)}: its back link does not lead to ${hex(previous)}`,
      );
    const address = at - offset;
    if (kernel.pointer(address + BigInt(kernel.offset('sock', 'net'))) === net) yield address;
    previous = at;
    at = link.readBigUInt64LE(0);
  }
}

/** Heads of lists that lie in an array, without those that are empty: `stride` bytes apart, `offset` into each. */
export function* filledHeads(
  kernel: Kernel,
  array: bigint,
  count: number,
  stride: number,
  offset: number,
): Generator<[bucket: number, head: bigint]> {
  // A read is at most 64 MiB: as many lists as a guest of 100 TiB has.
  const bytes = kernel.read(array, count * stride);
  for (let bucket = 0; bucket < count; bucket++) {
    const first = bytes.readBigUInt64LE(bucket * stride + offset);
    if (first !== 0n && (first & 1n) === 0n) yield [bucket, array + BigInt(bucket * stride + offset)];
  }
}
