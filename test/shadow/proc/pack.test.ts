import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { loadShim } from '../../../src/native/shim.js';
import { directoryNode, type DirectoryNode, type ProcNode } from '../../../src/shadow/proc/node.js';
import { packTree } from '../../../src/shadow/proc/pack.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';
import { fixtureGuest } from './fixture-guest.js';

const shim = loadShim();
const damaged = -74; // EBADMSG
const unknownVersion = -93; // EPROTONOSUPPORT

const checked = (bytes: Buffer) => shim.oua_proc_check(bytes, bytes.length);

function mounted<T>(packed: Buffer, use: (directory: string) => T): T {
  const directory = mkdtempSync(join(tmpdir(), 'ouassister-proc-'));
  const handle = shim.oua_proc_start(directory, packed, packed.length);
  try {
    expect(handle).toBeGreaterThanOrEqual(0);
    return use(directory);
  } finally {
    if (handle >= 0) shim.oua_proc_stop(handle);
    rmdirSync(directory);
  }
}

/** What is found on the mount: kind, attributes and content, by path. */
function walk(directory: string, path = ''): [path: string, what: unknown][] {
  return readdirSync(join(directory, path)).flatMap((name): [string, unknown][] => {
    const here = path ? `${path}/${name}` : name;
    const stat = lstatSync(join(directory, here));
    const attributes = [stat.mode & 0o7777, stat.uid, stat.gid, stat.mtimeMs];
    if (stat.isDirectory()) return [[here, ['directory', ...attributes]], ...walk(directory, here)];
    if (stat.isSymbolicLink())
      return [[here, ['symlink', ...attributes, readlinkSync(join(directory, here))]]];
    return [[here, ['file', ...attributes, readFileSync(join(directory, here)).toString('hex')]]];
  });
}

/** Reads whatever is there; names may be any bytes. */
function readAll(directory: Buffer): void {
  for (const entry of readdirSync(directory, { encoding: 'buffer' })) {
    const path = Buffer.concat([directory, Buffer.from('/'), entry]);
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (stat?.isDirectory()) readAll(path);
    else if (stat?.isFile()) readFileSync(path);
  }
}

function expected(tree: DirectoryNode, time: number, path = ''): [path: string, what: unknown][] {
  return [...tree.children].flatMap(([name, node]): [string, unknown][] => {
    const here = path ? `${path}/${name}` : name;
    const attributes = [node.mode, node.uid, node.gid, time * 1000];
    if ('children' in node) return [[here, ['directory', ...attributes]], ...expected(node, time, here)];
    if (node.kind === 'symlink') return [[here, ['symlink', ...attributes, node.content.toString()]]];
    return [[here, ['file', ...attributes, 'content' in node ? node.content.toString('hex') : '']]];
  });
}

const byPath = (entries: [string, unknown][]) => entries.sort(([a], [b]) => (a < b ? -1 : 1));

const name = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
  .filter((text) => !/[/\0]/.test(text) && text !== '.' && text !== '..' && Buffer.byteLength(text) <= 255);
const owner = fc.record({ uid: fc.nat(0xfffe), gid: fc.nat(0xfffe) });
const leaf: fc.Arbitrary<ProcNode> = fc.oneof(
  fc
    .tuple(owner, fc.uint8Array({ maxLength: 9000 }), fc.nat(0o777))
    .map(([ids, bytes, mode]) => ({ kind: 'file', mode, ...ids, content: Buffer.from(bytes) }) as const),
  fc
    .tuple(owner, name)
    .map(
      ([ids, target]) => ({ kind: 'symlink', mode: 0o777, ...ids, content: Buffer.from(target) }) as const,
    ),
);
const { tree: anyTree } = fc.letrec<{ tree: DirectoryNode; node: ProcNode }>((tie) => ({
  tree: fc
    .tuple(owner, fc.uniqueArray(fc.tuple(name, tie('node')), { selector: ([key]) => key, maxLength: 8 }))
    .map(([ids, children]) => ({ ...directoryNode(ids), children: new Map(children) })),
  node: fc.oneof({ maxDepth: 4 }, { weight: 2, arbitrary: leaf }, { weight: 1, arbitrary: tie('tree') }),
}));

test('what is packed is what is served', () => {
  fc.assert(
    fc.property(anyTree, fc.nat(4_000_000_000), (tree, time) => {
      const packed = packTree({ ...tree, mode: 0o555, uid: 0, gid: 0 }, time);
      expect(checked(packed)).toBe(0);
      mounted(packed, (directory) => expect(byPath(walk(directory))).toEqual(byPath(expected(tree, time))));
    }),
    { numRuns: 60 },
  );
});

test('names are told apart by bytes, not by locale', () => {
  const tree = directoryNode();
  const names = ['a', 'aa', 'A', 'ä', 'a.', 'z', '10', '9', '1'];
  for (const each of names)
    tree.children.set(each, { kind: 'file', mode: 0o444, uid: 0, gid: 0, content: Buffer.from(each) });
  mounted(packTree(tree, 0), (directory) => {
    for (const each of names) expect(readFileSync(join(directory, each), 'utf8')).toBe(each);
    expect(() => readFileSync(join(directory, 'b'))).toThrow('ENOENT');
  });
});

describe('a damaged buffer', () => {
  const sound = packTree(renderTree(fixtureGuest()), 1);
  const headerBytes = 48;
  const nodeBytes = 32;
  const nodes = sound.readUInt32LE(16);
  const heap = sound.readUInt32LE(24);

  /** A copy with one number of one node replaced. */
  function withNode(index: number, field: number, value: number): Buffer {
    const bytes = Buffer.from(sound);
    bytes.writeUInt32LE(value, headerBytes + index * nodeBytes + field);
    return bytes;
  }

  test('is refused wherever it ends early', () => {
    for (let length = 0; length < sound.length; length += length < 4096 ? 1 : 97)
      expect(checked(sound.subarray(0, length))).toBe(damaged);
    expect(checked(Buffer.concat([sound, Buffer.alloc(1)]))).toBe(damaged);
  });

  test('is refused with another magic or version', () => {
    const other = Buffer.from(sound);
    other.write('X', 0);
    expect(checked(other)).toBe(damaged);
    other.write('O', 0);
    other.writeUInt32LE(2, 8);
    expect(checked(other)).toBe(unknownVersion);
  });

  const fields = { parent: 0, name: 16, nameLength: 20, data: 24, dataLength: 28 } as const;
  test.each([
    ['its root in another node', () => withNode(0, fields.parent, 1)],
    ['a directory that is its own child', () => withNode(0, fields.data, 0)],
    ['children beyond the last node', () => withNode(0, fields.dataLength, nodes + 1)],
    ['a number of children that wraps around', () => withNode(0, fields.dataLength, 0xffffffff)],
    ['a child that two directories claim', () => withNode(1, fields.parent, 2)],
    ['a parent behind its child', () => withNode(3, fields.parent, nodes - 1)],
    ['a name beyond the heap', () => withNode(2, fields.name, sound.length)],
    ['a name that wraps around', () => withNode(2, fields.name, 0xffffffff)],
    ['an empty name', () => withNode(2, fields.nameLength, 0)],
    ['a name that is too long', () => withNode(2, fields.nameLength, 256)],
    ['content beyond the heap', () => withNode(nodes - 1, fields.dataLength, sound.length - heap + 1)],
    ['content that wraps around', () => withNode(nodes - 1, fields.data, 0xffffffff)],
  ])('is refused with %s', (_what, bytes) => expect(checked(bytes())).toBe(damaged));

  test.each(['.', '..', 'a/b', 'a\0b', ''])('is refused with a file named %j', (bad) => {
    const tree = directoryNode();
    tree.children.set(bad, { kind: 'file', mode: 0o444, uid: 0, gid: 0, content: Buffer.alloc(0) });
    expect(checked(packTree(tree, 0))).toBe(damaged);
  });

  test('is refused with names out of order or twice', () => {
    const first = sound.readUInt32LE(headerBytes + fields.data);
    const bytes = Buffer.from(sound);
    const from = headerBytes + (first + 1) * nodeBytes + fields.name;
    bytes.copy(bytes, headerBytes + first * nodeBytes + fields.name, from, from + 8);
    expect(checked(bytes)).toBe(damaged);
  });

  test('is refused with links into the sandbox outside of the template', () => {
    const tree = directoryNode();
    tree.children.set('exe', { kind: 'real', mode: 0o777, uid: 0, gid: 0 });
    expect(checked(packTree(tree, 0))).toBe(damaged);
  });

  test('never does harm: whatever is accepted can be served', () => {
    const mutation = fc.array(
      fc.tuple(fc.nat(sound.length - 1), fc.constantFrom(0, 1, 2, 7, 8, 31, 32, 127, 128, 254, 255)),
      { minLength: 1, maxLength: 4 },
    );
    let served = 0;
    fc.assert(
      fc.property(mutation, (changes) => {
        const bytes = Buffer.from(sound);
        for (const [at, value] of changes) bytes[at] = value;
        const result = checked(bytes);
        expect([0, damaged, unknownVersion]).toContain(result);
        // Every mount costs some ms; a part of the accepted ones will do.
        if (result !== 0 || served > 100) return;
        served++;
        mounted(bytes, (directory) => readAll(Buffer.from(directory)));
      }),
      { numRuns: 3000 },
    );
    expect(served).toBeGreaterThan(10);
  });
});
