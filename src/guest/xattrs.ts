import type { Kernel } from '../kernel/kernel.js';
import { hex, inconsistent, listEntries, treeNodes } from '../kernel/lists.js';
import type { StructView } from '../kernel/struct-view.js';

type Attribute = readonly [name: string, value: Buffer];

/** XATTR_SIZE_MAX and XATTR_NAME_MAX, `include/uapi/linux/limits.h`. */
const maxValue = 65_536n;
const maxName = 255;
/** The kernel sets no limit; what a list of 64 KiB (XATTR_LIST_MAX) can name. */
const maxAttributes = 32_768;
const maxTotal = 16 * 1024 * 1024;
/** Bytes of a struct list_head. */
const listHead = 16;
const what = 'extended attributes';

/** The extended attributes of a tmpfs's inode, sorted; undefined when this kernel keeps them in a way we do not know. */
export function tmpfsXattrs(kernel: Kernel, inode: StructView<'inode'>): Attribute[] | undefined {
  const attributes: Attribute[] = [];
  if (kernel.has('shmem_inode_info', 'xattrs')) {
    const info = inode.address - BigInt(kernel.offset('shmem_inode_info', 'vfs_inode'));
    const places = simpleXattrs(kernel, info + BigInt(kernel.offset('shmem_inode_info', 'xattrs')));
    if (!places) return undefined;
    let total = 0;
    for (const place of places) {
      const attribute = simpleXattr(kernel, place);
      total += attribute[1].length;
      if (attributes.length >= maxAttributes || total > maxTotal)
        throw inconsistent(`the extended attributes of the inode at ${hex(inode.address)} do not end`);
      attributes.push(attribute);
    }
  }
  for (const [name, field] of accessControlLists) {
    const value = kernel.has('inode', field) ? accessControlList(kernel, inode.pointer(field)) : undefined;
    if (value) attributes.push([name, value]);
  }
  return attributes.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** The `struct simple_xattr`s of a tmpfs's inode (fs/xattr.c), whose `xattrs` are at an address. */
function simpleXattrs(kernel: Kernel, address: bigint): Iterable<bigint> | undefined {
  const at = (field: 'rb_root' | 'head') => address + BigInt(kernel.offset('simple_xattrs', field));
  if (kernel.has('simple_xattrs', 'rb_root') && kernel.has('simple_xattr', 'rb_node'))
    return embedding(kernel, 'rb_node', treeNodes(kernel, at('rb_root'), what));
  if (!kernel.has('simple_xattr', 'list')) return undefined;
  if (kernel.has('simple_xattrs', 'head'))
    return embedding(kernel, 'list', listEntries(kernel, at('head'), what));
  const bare = kernel.layout('shmem_inode_info').members['xattrs']?.[1] === listHead;
  return bare ? embedding(kernel, 'list', listEntries(kernel, address, what)) : undefined;
}

function* embedding(kernel: Kernel, field: 'rb_node' | 'list', links: Iterable<bigint>): Generator<bigint> {
  for (const link of links) yield link - BigInt(kernel.offset('simple_xattr', field));
}

function simpleXattr(kernel: Kernel, address: bigint): Attribute {
  const attribute = kernel.view('simple_xattr', address);
  const size = attribute.u64('size');
  if (size > maxValue)
    throw inconsistent(`the extended attribute at ${hex(address)} has a value of ${size} bytes`);
  const name = kernel.cstring(attribute.pointer('name'), maxName + 1).toString('utf8');
  return [name, Buffer.from(kernel.read(attribute.at('value'), Number(size)))];
}

/** tmpfs keeps these with the inode only, and always: simple_set_acl(), `fs/posix_acl.c`. */
const accessControlLists = [
  ['system.posix_acl_access', 'i_acl'],
  ['system.posix_acl_default', 'i_default_acl'],
] as const;

/** POSIX_ACL_XATTR_VERSION, and the tags that go with an id, `include/uapi/linux/posix_acl*.h`. */
const aclVersion = 2;
const ACL_USER = 0x02;
const ACL_GROUP = 0x08;
const noId = 0xffffffff;
const maxAclEntries = 8192;

/** A `struct posix_acl` as getxattr(2) shows it: posix_acl_to_xattr(). Undefined when there is none. */
function accessControlList(kernel: Kernel, address: bigint): Buffer | undefined {
  if (address === 0n) return undefined;
  // Odd: ACL_NOT_CACHED, or one that is being looked up. A tmpfs's are always there.
  if (address & 1n) throw inconsistent(`a tmpfs's access control list is at ${hex(address)}`);
  const list = kernel.view('posix_acl', address);
  const count = list.uint('a_count');
  if (count > maxAclEntries)
    throw inconsistent(`the access control list at ${hex(address)} has ${count} entries`);
  const value = Buffer.alloc(4 + count * 8);
  value.writeUInt32LE(aclVersion, 0);
  const size = kernel.layout('posix_acl_entry').size;
  for (let index = 0; index < count; index++) {
    const entry = kernel.view('posix_acl_entry', list.at('a_entries') + BigInt(index * size));
    const tag = entry.uint('e_tag');
    value.writeUInt16LE(tag, 4 + index * 8);
    value.writeUInt16LE(entry.uint('e_perm'), 6 + index * 8);
    value.writeUInt32LE(tag === ACL_USER || tag === ACL_GROUP ? entry.uint('e_uid') : noId, 8 + index * 8);
  }
  return value;
}
