import type { SyntheticTypes } from '../kernel/synthetic-kernel.js';
import { cachedNames } from '../../src/guest/directory-entries.js';
import { codeOf } from '../error-code.js';
import { Arena, syntheticKernel } from '../kernel/synthetic-kernel.js';

const common = {
  d_parent: [0, 8],
  d_name: [8, 8],
  d_name_len: [16, 4],
  d_inode: [24, 8],
  d_hash_pprev: [32, 8],
} as const;
const size = 80;
/** Where the links are: of the directory to its names, and between those. */
const [head, link] = [40n, 56n];

/** Both kinds of list that kernels have had: before and from 6.8. */
const kinds = {
  list: { ...common, d_subdirs: [40, 16], d_child: [56, 16] },
  hlist: { ...common, d_children: [40, 8], d_sib: [56, 16] },
} as const;
type Kind = keyof typeof kinds;

interface Name {
  readonly name: string | Buffer;
  readonly inode?: bigint;
  readonly hashed?: boolean;
}

/** A directory with names; returns it and the dentries of the names. */
function directory(kind: Kind, names: readonly Name[]) {
  const arena = new Arena(1 << 16);
  const top = arena.allocate(size);
  arena.u64(top, top);
  const dentries = names.map(({ name, inode = 77n, hashed = true }) => {
    const bytes = Buffer.from(name);
    const text = arena.allocate(bytes.length + 1);
    bytes.copy(arena.bytes, Number(text));
    const dentry = arena.allocate(size);
    arena.u64(dentry, top);
    arena.u64(dentry + 8n, text);
    arena.u32(dentry + 16n, bytes.length);
    arena.u64(dentry + 24n, inode);
    arena.u64(dentry + 32n, hashed ? 64n : 0n);
    return dentry;
  });
  const links = dentries.map((dentry) => dentry + link);
  const end = kind === 'list' ? top + head : 0n;
  arena.u64(top + head, links[0] ?? end);
  for (const [index, at] of links.entries()) {
    arena.u64(at, links[index + 1] ?? end);
    arena.u64(at + 8n, links[index - 1] ?? top + head);
  }
  if (kind === 'list') arena.u64(top + head + 8n, links.at(-1) ?? end);
  return { arena, top, dentries };
}

function read(kind: Kind, { arena, top }: { arena: Arena; top: bigint }) {
  const structs: SyntheticTypes['structs'] = { dentry: { size, members: { ...kinds[kind] } } };
  const kernel = syntheticKernel(arena.memory(), { structs });
  return cachedNames(kernel, kernel.view('dentry', top));
}

describe.each(Object.keys(kinds) as Kind[])('names in a directory (%s)', (kind) => {
  test('are those that are hashed, in order', () => {
    const made = directory(kind, [
      { name: 'b' },
      { name: 'gone', hashed: false },
      { name: 'a', inode: 0n },
      { name: Buffer.from([0xff, 0xfe]) },
      { name: '...' },
    ]);
    expect(read(kind, made)).toEqual([
      { name: Buffer.from('...'), dentry: made.dentries[4], inode: 77n },
      { name: Buffer.from('a'), dentry: made.dentries[2], inode: 0n },
      { name: Buffer.from('b'), dentry: made.dentries[0], inode: 77n },
      { name: Buffer.from([0xff, 0xfe]), dentry: made.dentries[3], inode: 77n },
    ]);
    expect(read(kind, directory(kind, []))).toEqual([]);
  });

  test.each([['..'], ['.'], [''], ['a/b'], ['/'], ['a\0b'], ['n'.repeat(256)]])('cannot be %j', (name) => {
    expect(codeOf(() => read(kind, directory(kind, [{ name: 'a' }, { name }])))).toBe('GUEST_INCONSISTENT');
  });

  test('cannot be there twice, in another directory, or the directory itself', () => {
    expect(codeOf(() => read(kind, directory(kind, [{ name: 'a' }, { name: 'a' }])))).toBe(
      'GUEST_INCONSISTENT',
    );
    const elsewhere = directory(kind, [{ name: 'a' }]);
    elsewhere.arena.u64(elsewhere.dentries[0]!, 64n);
    expect(codeOf(() => read(kind, elsewhere))).toBe('GUEST_INCONSISTENT');
    const itself = directory(kind, [{ name: 'a' }]);
    itself.arena.u64(itself.top + head, itself.top + link);
    itself.arena.u64(itself.top + link + 8n, itself.top + head);
    expect(codeOf(() => read(kind, itself))).toBe('GUEST_INCONSISTENT');
  });

  test('cannot go round in a ring', () => {
    const ring = directory(kind, [{ name: 'a' }, { name: 'b' }]);
    ring.arena.u64(ring.dentries[1]! + link, ring.dentries[0]! + link);
    expect(codeOf(() => read(kind, ring))).toBe('GUEST_INCONSISTENT');
  });
});
