import { OuaError } from '../base/errors.js';
import type { Kernel } from './kernel.js';

/** No list that is walked here is longer in a working guest; a longer one loops or is damaged. */
export const maxEntries = 1 << 18;

/**
 * The entries of a `struct list_head` ring, without its head: addresses of the links. The back link of each is
 * checked, so that a ring which is torn or runs into something else is an error and not a wrong answer.
 *
 * @param what the list's name, for the error
 */
export function listEntries(kernel: Kernel, head: bigint, what: string): Generator<bigint> {
  return linked(kernel, head, head, what);
}

/**
 * The entries of a `struct hlist_head` list: addresses of the `struct hlist_node`s, each back link checked.
 *
 * @param what the list's name, for the error
 */
export function hashListEntries(kernel: Kernel, head: bigint, what: string): Generator<bigint> {
  return linked(kernel, head, 0n, what);
}

/**
 * Both kinds of list have the next link first and the back link second; a `pprev` is the address of the pointer
 * that leads here, which is the first member of what is before. They differ in what the last link holds: `end`.
 */
function* linked(kernel: Kernel, head: bigint, end: bigint, what: string): Generator<bigint> {
  let previous = head;
  let at = kernel.pointer(head);
  for (let count = 0; at !== end; count++) {
    if (count >= maxEntries) throw inconsistent(`the list of ${what} at ${hex(head)} does not end`);
    const link = kernel.read(at, 16);
    if (link.readBigUInt64LE(8) !== previous)
      throw inconsistent(
        `the list of ${what} is torn at ${hex(at)}: its back link does not lead to ${hex(previous)}`,
      );
    yield at;
    previous = at;
    at = link.readBigUInt64LE(0);
  }
}

/** The nodes of a red-black tree in order: addresses of the `struct rb_node`s. `root` is the tree's `struct rb_root`. */
export function* treeNodes(kernel: Kernel, root: bigint, what: string): Generator<bigint> {
  // A tree of maxEntries nodes is at most 2·log2(n+1) deep.
  const maxDepth = 64;
  const stack: bigint[] = [];
  let count = 0;
  for (let at = kernel.pointer(root); at !== 0n || stack.length > 0;) {
    while (at !== 0n) {
      if (stack.length >= maxDepth) throw inconsistent(`the tree of ${what} at ${hex(root)} is too deep`);
      stack.push(at);
      at = kernel.view('rb_node', at).pointer('rb_left');
    }
    const node = stack.pop() as bigint;
    if (++count > maxEntries) throw inconsistent(`the tree of ${what} at ${hex(root)} does not end`);
    yield node;
    at = kernel.view('rb_node', node).pointer('rb_right');
  }
}

export function hex(address: bigint): string {
  return `0x${address.toString(16)}`;
}

/** GUEST_INCONSISTENT: structures of the guest's kernel that contradict themselves. */
export function inconsistent(message: string, cause?: unknown): OuaError {
  return new OuaError(
    'GUEST_INCONSISTENT',
    message,
    'the image is damaged or was taken while the guest ran: suspend the guest and save its memory again',
    { cause },
  );
}
