import { nodeKinds, type DirectoryNode, type ProcNode } from './node.js';

/** The layout and its version are described in native-shim/fuse.h, which also checks what is packed here. */
const version = 1;
const headerBytes = 48;
const nodeBytes = 32;
const hiddenFlag = 1;

/**
 * Packs a tree into one buffer for the shim.
 *
 * @param time Time of every node, seconds since the epoch.
 */
export function packTree(tree: DirectoryNode, time: number): Buffer {
  const nodes = flatten(tree);
  const heap = new Heap();
  const table = Buffer.alloc(nodes.length * nodeBytes);
  nodes.forEach((flat, index) => {
    const { node } = flat;
    const name = heap.add(flat.name);
    const [data, length] =
      'children' in node
        ? [flat.firstChild, node.children.size]
        : 'content' in node
          ? [heap.add(node.content), node.content.length]
          : [0, 0];
    const at = index * nodeBytes;
    table.writeUInt32LE(flat.parent, at);
    table.writeUInt8(nodeKinds[node.kind], at + 4);
    table.writeUInt8('hidden' in node && node.hidden ? hiddenFlag : 0, at + 5);
    table.writeUInt16LE(node.mode, at + 6);
    table.writeUInt32LE(node.uid, at + 8);
    table.writeUInt32LE(node.gid, at + 12);
    table.writeUInt32LE(name, at + 16);
    table.writeUInt32LE(flat.name.length, at + 20);
    table.writeUInt32LE(data, at + 24);
    table.writeUInt32LE(length, at + 28);
  });

  const header = Buffer.alloc(headerBytes);
  header.write('OUAPROC\0', 'latin1');
  header.writeUInt32LE(version, 8);
  header.writeUInt32LE(headerBytes + table.length + heap.length, 12);
  header.writeUInt32LE(nodes.length, 16);
  header.writeUInt32LE(
    Math.max(
      0,
      nodes.findIndex(({ node }) => node.kind === 'template'),
    ),
    20,
  );
  header.writeUInt32LE(headerBytes + table.length, 24);
  header.writeUInt32LE(heap.length, 28);
  header.writeBigInt64LE(BigInt(Math.trunc(time)), 32);
  return Buffer.concat([header, table, ...heap.parts]);
}

interface FlatNode {
  readonly node: ProcNode;
  readonly name: Buffer;
  readonly parent: number;
  firstChild: number;
}

/** Breadth first, so that siblings lie next to each other and behind their parent. */
function flatten(tree: DirectoryNode): FlatNode[] {
  const flat: FlatNode[] = [{ node: tree, name: Buffer.alloc(0), parent: 0, firstChild: 0 }];
  for (let parent = 0; parent < flat.length; parent++) {
    const entry = flat[parent]!;
    if (!('children' in entry.node)) continue;
    entry.firstChild = entry.node.children.size ? flat.length : 0;
    const children = [...entry.node.children].map(([name, node]) => ({ name: Buffer.from(name), node }));
    children.sort((a, b) => Buffer.compare(a.name, b.name));
    for (const { name, node } of children) flat.push({ node, name, parent, firstChild: 0 });
  }
  return flat;
}

/** Names and contents, each stored once. */
class Heap {
  readonly parts: Buffer[] = [];
  length = 0;
  readonly #known = new Map<string, number>();

  add(bytes: Buffer): number {
    const key = bytes.toString('latin1');
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const offset = this.length;
    this.#known.set(key, offset);
    this.parts.push(bytes);
    this.length += bytes.length;
    return offset;
  }
}
