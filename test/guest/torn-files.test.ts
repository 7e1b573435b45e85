import { lookUp } from '../../src/guest/file-lookup.js';
import { MemoryFiles } from '../../src/guest/file-tree.js';
import { inodeFile } from '../../src/guest/inode-file.js';
import { MountTree } from '../../src/guest/mount-tree.js';
import { superBlockReader } from '../../src/guest/super-blocks.js';
import type { Kernel } from '../../src/kernel/kernel.js';
import { openKernel } from '../../src/kernel/open.js';
import { openMemory } from '../../src/memory/open.js';
import type { PhysicalMemory } from '../../src/memory/memory.js';
import { codeOf } from '../error-code.js';
import { memoryFiles } from '../lab/memory-files.js';
import { suspendedGuest } from '../lab/suspended.js';
import { MutatedMemory } from '../memory/buffer-memory.js';

const path = `${memoryFiles}/data`;

let memory: PhysicalMemory;
let kernel: Kernel;
/** Of {@link path}. */
let dentry: bigint;
let inode: bigint;

beforeAll(async () => {
  memory = await openMemory((await suspendedGuest()).memory);
  kernel = openKernel(memory);
  const superBlock = superBlockReader(kernel);
  const describe = (address: bigint) => {
    const view = kernel.view('inode', kernel.view('dentry', address).pointer('d_inode'));
    return inodeFile(kernel, view, superBlock(view.pointer('i_sb')));
  };
  dentry = lookUp(kernel, new MountTree(kernel), describe, path).dentry;
  inode = kernel.view('dentry', dentry).pointer('d_inode');
});
afterAll(() => memory[Symbol.dispose]());

/** The guest's files with words of its memory changed, by virtual address. */
function changed(words: readonly (readonly [address: bigint, value: bigint])[]): MemoryFiles {
  const bytes = words.flatMap(([address, value]) => {
    const start = kernel.location.space.translate(address)!;
    const word = Buffer.alloc(8);
    word.writeBigUInt64LE(value);
    return Array.from(word, (byte, index) => [start + index, byte] as const);
  });
  return new MemoryFiles(openKernel(new MutatedMemory(memory, bytes), { profile: kernel.profile }));
}

/** The root node of the file's page cache, and the address of one of its slots. */
function pageNode(slot: number): { node: bigint; slot: bigint } {
  const mapping = kernel.view('inode', inode).pointer('i_mapping');
  const head = kernel.view('xarray', kernel.view('address_space', mapping).at('i_pages')).pointer('xa_head');
  // 3,000,001 bytes have two levels.
  const node = kernel.pointer(kernel.view('xa_node', head - 2n).at('slots')) - 2n;
  return { node, slot: kernel.view('xa_node', node).at('slots') + BigInt(slot * 8) };
}

test('a page that is in swap is absent, and no other', () => {
  const { slot } = pageNode(1);
  const content = changed([[slot, 0x1234_5601n]]).find(path).content!();
  expect(content.absent).toEqual([{ start: 4096, end: 8192, reason: 'swapped out' }]);
  expect(
    [...content.pieces()].some(({ offset, bytes }) => offset < 8192 && offset + bytes.length > 4096),
  ).toBe(false);
});

test('another file’s page in its place is refused', () => {
  const { slot } = pageNode(1);
  const other = kernel.pointer(pageNode(2).slot);
  const read = (value: bigint) => codeOf(() => changed([[slot, value]]).find(path).content!());
  expect(read(kernel.pointer(slot))).toBe('none');
  for (const value of [other, 0n, inode, slot])
    expect([value, read(value)]).toEqual([value, 'GUEST_INCONSISTENT']);
});

test('a name that hangs in two places, or in a ring, is refused', () => {
  const tree = (words: readonly (readonly [bigint, bigint])[]) =>
    codeOf(() => Array.from(changed(words).tree(memoryFiles)));
  const view = kernel.view('dentry', dentry);
  const link = view.at(kernel.has('dentry', 'd_sib') ? 'd_sib' : 'd_child');
  expect(tree([])).toBe('none');
  expect(tree([[view.at('d_parent'), dentry]])).toBe('GUEST_INCONSISTENT');
  expect(tree([[link, link]])).toBe('GUEST_INCONSISTENT');
  expect(
    tree([
      [link, link],
      [link + 8n, link],
    ]),
  ).toBe('GUEST_INCONSISTENT');
  expect(tree([[view.at('d_name'), inode]])).toBe('GUEST_INCONSISTENT');
});

test('an inode that cannot be one is refused', () => {
  const find = (address: bigint, value: bigint) => codeOf(() => changed([[address, value]]).find(path));
  const view = kernel.view('inode', inode);
  expect(find(view.at('i_mode'), 0n)).toBe('GUEST_INCONSISTENT');
  expect(find(view.at('i_sb'), 64n)).toBe('GUEST_INCONSISTENT');
  expect(find(view.at('mtime_nsec'), 1_000_000_000n)).toBe('GUEST_INCONSISTENT');
  expect(codeOf(() => changed([[view.at('i_size'), 2n ** 60n]]).find(path).content!())).toBe(
    'GUEST_INCONSISTENT',
  );
});
