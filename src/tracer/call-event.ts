/** What is told of a call that was made: the events of a full record, and of what acts on the running system. */
import type { SyscallName } from './numbers.js';
import type { SocketAddress } from './sockaddr.js';

interface Made {
  readonly type: 'call';
  /** Thread group id as the host's root pid namespace numbers it. */
  readonly pid: number;
  readonly call: SyscallName;
}

/**
 * A call that an armed process made. Those that name files are told when they have succeeded. Numbers are as the
 * program gave them.
 *
 * Paths are bytes, absolute from the top of the caller's mount namespace, with symbolic links resolved as the
 * kernel does. What a descriptor stands for may have no path: `pipe:[…]`, `socket:[…]`, or one that ends in
 * ` (deleted)`. Opens are told by their descriptor at the call's exit. Other paths are looked at right after
 * the call: another thread may have changed them since. What could not be read is empty.
 */
export type CallEvent =
  /** An open with a flag that may write, of a file that was there; `create`: it was not. */
  | (Made & {
      readonly kind: 'open-write' | 'create';
      readonly path: Buffer;
      readonly flags: number;
      readonly mode: number;
    })
  /** `size` in bytes. */
  | (Made & { readonly kind: 'truncate'; readonly path: Buffer; readonly size: number })
  | (Made & {
      readonly kind: 'rename';
      readonly from: Buffer;
      readonly path: Buffer;
      /** `RENAME_*` of linux/fs.h. */
      readonly flags: number;
    })
  /** `path` is another name of the file `from`. */
  | (Made & { readonly kind: 'link'; readonly from: Buffer; readonly path: Buffer })
  | (Made & { readonly kind: 'symlink'; readonly path: Buffer; readonly target: Buffer })
  | (Made & { readonly kind: 'remove'; readonly path: Buffer })
  | (Made & { readonly kind: 'mkdir'; readonly path: Buffer; readonly mode: number })
  /** `mode` with the file's type, mknod(2). */
  | (Made & {
      readonly kind: 'mknod';
      readonly path: Buffer;
      readonly mode: number;
      readonly device: { readonly major: number; readonly minor: number };
    })
  | (Made & { readonly kind: 'mode'; readonly path: Buffer; readonly mode: number })
  /** Undefined: not changed. */
  | (Made & {
      readonly kind: 'owner';
      readonly path: Buffer;
      readonly uid: number | undefined;
      readonly gid: number | undefined;
    })
  | (Made & {
      readonly kind: 'xattr';
      readonly path: Buffer;
      readonly name: Buffer;
      readonly removed: boolean;
    })
  /** `errno`: 0, or why it failed. */
  | (Made & { readonly kind: 'connect' | 'bind'; readonly address: SocketAddress; readonly errno: number })
  /** `target` as kill(2) takes it, in the caller's pid namespace; by pidfd, as the host numbers it. */
  | (Made & { readonly kind: 'signal'; readonly target: number; readonly signal: number })
  /** It acts on the running system. `errno`: 0, or why it failed. */
  | (Made & { readonly kind: 'effect'; readonly errno: number })
  /** What was sent to a netlink socket: `nlmsg_type` of linux/netlink.h. */
  | (Made & { readonly kind: 'netlink'; readonly message: number; readonly errno: number });
