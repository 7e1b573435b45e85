import { tmpfsXattrs } from '../../src/guest/xattrs.js';
import { codeOf } from '../error-code.js';
import { Arena, syntheticKernel, type SyntheticTypes } from '../kernel/synthetic-kernel.js';

type Structs = SyntheticTypes['structs'];

const common = {
  inode: { size: 16, members: { i_acl: [0, 8], i_default_acl: [8, 8] } },
  shmem_inode_info: { size: 64, members: { xattrs: [0, 16], vfs_inode: [32, 16] } },
  rb_node: { size: 24, members: { rb_right: [8, 8], rb_left: [16, 8] } },
  posix_acl: { size: 16, members: { a_count: [8, 4], a_entries: [12, 0] } },
  posix_acl_entry: { size: 8, members: { e_tag: [0, 2], e_perm: [2, 2], e_uid: [4, 4] } },
} as const satisfies Structs;
const attribute = { name: [24, 8], size: [32, 8], value: [40, 0] } as const;

/** The ways in which kernels have kept attributes: until 6.1, from 6.2, and in 7.2. */
const kinds = {
  list: {
    simple_xattrs: { size: 16, members: { head: [0, 16] } },
    simple_xattr: { size: 40, members: { ...attribute, list: [0, 16] } },
  },
  tree: {
    simple_xattrs: { size: 16, members: { rb_root: [0, 8] } },
    simple_xattr: { size: 40, members: { ...attribute, rb_node: [0, 24] } },
  },
  'bare list': {
    simple_xattrs: { size: 0, members: {} },
    simple_xattr: { size: 40, members: { ...attribute, list: [0, 16] } },
  },
} as const satisfies Readonly<Record<string, Structs>>;
type Kind = keyof typeof kinds;

const attributes: readonly (readonly [string, Buffer])[] = [
  ['security.b', Buffer.from([0, 0xff])],
  ['trusted.a', Buffer.alloc(0)],
  ['user.c', Buffer.alloc(5000, 'x')],
];

/** An inode with attributes; `links` are where they are in the list or tree. */
function inodeWith(kind: Kind, list: typeof attributes) {
  const arena = new Arena(1 << 17);
  const info = arena.allocate(64);
  const links = list.map(([name, value]) => {
    const text = arena.allocate(name.length + 1);
    arena.bytes.write(name, Number(text), 'latin1');
    const at = arena.allocate(40 + value.length);
    arena.u64(at + 24n, text);
    arena.u64(at + 32n, BigInt(value.length));
    value.copy(arena.bytes, Number(at) + 40);
    return at;
  });
  if (kind === 'tree') {
    arena.u64(info, links[0] ?? 0n);
    for (const [index, at] of links.entries()) arena.u64(at + 8n, links[index + 1] ?? 0n);
  } else {
    const ring = [info, ...links];
    for (const [index, at] of ring.entries()) {
      arena.u64(at, ring[(index + 1) % ring.length]!);
      arena.u64(at + 8n, ring.at(index - 1)!);
    }
  }
  return { arena, inode: info + 32n, links };
}

function read(kind: Kind, { arena, inode }: { arena: Arena; inode: bigint }, more: Structs = {}) {
  const kernel = syntheticKernel(arena.memory(), { structs: { ...common, ...kinds[kind], ...more } });
  return tmpfsXattrs(kernel, kernel.view('inode', inode));
}

describe.each(Object.keys(kinds) as Kind[])('extended attributes of a tmpfs (%s)', (kind) => {
  test('are all of them, sorted', () => {
    expect(read(kind, inodeWith(kind, attributes))).toEqual(attributes);
    expect(read(kind, inodeWith(kind, [...attributes].reverse()))).toEqual(attributes);
    expect(read(kind, inodeWith(kind, []))).toEqual([]);
  });

  test('cannot go round in a ring, nor be larger than any can be', () => {
    const ring = inodeWith(kind, attributes);
    ring.arena.u64(ring.links[2]! + (kind === 'tree' ? 8n : 0n), ring.links[0]!);
    expect(codeOf(() => read(kind, ring))).toBe('GUEST_INCONSISTENT');
    const large = inodeWith(kind, attributes);
    large.arena.u64(large.links[0]! + 32n, 65_537n);
    expect(codeOf(() => read(kind, large))).toBe('GUEST_INCONSISTENT');
  });

  test('come with the access list that is kept beside them', () => {
    const made = inodeWith(kind, []);
    const list = made.arena.allocate(32);
    made.arena.u32(list + 8n, 2);
    made.arena.u32(list + 12n, 0x0006_0002);
    made.arena.u32(list + 16n, 33);
    made.arena.u32(list + 20n, 0x0004_0004);
    made.arena.u64(made.inode + 8n, list);
    const value = Buffer.from('020000000200060021000000' + '04000400ffffffff', 'hex');
    expect(read(kind, made)).toEqual([['system.posix_acl_default', value]]);
    made.arena.u64(made.inode + 8n, 0xffff_ffff_ffff_ffffn);
    expect(codeOf(() => read(kind, made))).toBe('GUEST_INCONSISTENT');
  });
});

test('a kernel that keeps them in a way that we do not know tells nothing', () => {
  const unknown = {
    simple_xattr: { size: 40, members: attribute },
    simple_xattrs: { size: 0, members: {} },
  } as const;
  expect(read('list', inodeWith('list', attributes), unknown)).toBeUndefined();
});
