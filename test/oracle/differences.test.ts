import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe as inWords, findDifferences } from './differences.js';
import { fact, type Item } from './item.js';
import { observeTree } from './tree.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-oracle-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Long before and long after everything: no file is one that both trees have, and no time is that of the run. */
const never = 1n << 62n;
const past = 1_600_000_000;

/** A tree with one of everything. */
function makeTree(name: string): string {
  const root = join(folder, name);
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(root, 'etc/conf'), 'colour = blue\nsize = 3\n');
  writeFileSync(join(root, 'etc/twin'), 'twins');
  linkSync(join(root, 'etc/twin'), join(root, 'etc/twin-too'));
  writeFileSync(join(root, 'etc/other'), 'twins');
  symlinkSync('conf', join(root, 'etc/link'));
  execFileSync('mknod', [join(root, 'etc/null'), 'c', '1', '3']);
  execFileSync('mkfifo', [join(root, 'etc/pipe')]);
  writeFileSync(join(root, 'etc/tool'), '', { mode: 0o755 });
  mkdirSync(join(root, 'etc/full/deep'), { recursive: true });
  for (const path of ['conf', 'twin', 'other', 'null', 'pipe', 'tool', 'full/deep', 'full', '.'])
    utimesSync(join(root, 'etc', path), past, past);
  lutimesSync(join(root, 'etc/link'), past, past);
  utimesSync(root, past, past);
  return root;
}

function setAttribute(path: string, name: string, value: string | Buffer): void {
  const script = 'import os, sys; os.setxattr(sys.argv[1], sys.argv[2], bytes.fromhex(sys.argv[3]))';
  execFileSync('python3', ['-c', script, path, name, Buffer.from(value).toString('hex')]);
}

/** An access control list that gives user 33 some rights, as Linux keeps it (`posix_acl_xattr_entry`). */
function acl(rights: number): Buffer {
  const nobody = 0xffff_ffff;
  const entries = [
    [0x01, 0o6, nobody],
    [0x02, rights, 33],
    [0x04, 0o4, nobody],
    [0x10, 0o7, nobody],
    [0x20, 0o4, nobody],
  ] as const;
  const list = Buffer.alloc(4 + 8 * entries.length);
  list.writeUInt32LE(2);
  for (const [index, [tag, permission, id]] of entries.entries()) {
    list.writeUInt16LE(tag, 4 + 8 * index);
    list.writeUInt16LE(permission, 6 + 8 * index);
    list.writeUInt32LE(id, 8 + 8 * index);
  }
  return list;
}

/** A change of one thing, which leaves every time as it was; and what must be found for it. */
type Plant = readonly [change: (at: (name: string) => string) => void, expected: readonly string[]];

const keepTime = (path: string) => lutimesSync(path, past, past);
const plants: Readonly<Record<string, Plant>> = {
  'a file that is not there': [(at) => unlinkSync(at('conf')), ['/etc/conf presence']],
  'a file too many': [(at) => writeFileSync(at('more'), ''), ['/etc/more presence']],
  'a name that is no text': [
    (at) => writeFileSync(Buffer.concat([Buffer.from(`${at('full')}/`), Buffer.from([0xff])]), ''),
    ['/etc/full/\ufffd presence'],
  ],
  'a directory with all that is in it': [
    (at) => rmSync(at('full'), { recursive: true }),
    ['/etc/full presence'],
  ],
  'another type': [
    (at) => {
      unlinkSync(at('conf'));
      mkdirSync(at('conf'), { mode: 0o700 });
    },
    ['/etc/conf type'],
  ],
  'another mode': [(at) => chmodSync(at('conf'), 0o600), ['/etc/conf mode']],
  'a setuid bit': [(at) => chmodSync(at('tool'), 0o4755), ['/etc/tool mode']],
  'another owner': [(at) => chownSync(at('conf'), 33, 0), ['/etc/conf owner']],
  'another group': [(at) => chownSync(at('full'), 0, 33), ['/etc/full owner']],
  'another size': [(at) => writeFileSync(at('conf'), 'colour = blue\n'), ['/etc/conf content']],
  'another content of the same size': [
    (at) => writeFileSync(at('conf'), 'colour = pink\nsize = 3\n'),
    ['/etc/conf content'],
  ],
  'another target': [
    (at) => {
      unlinkSync(at('link'));
      symlinkSync('twin', at('link'));
    },
    ['/etc/link target'],
  ],
  'another device': [
    (at) => {
      unlinkSync(at('null'));
      execFileSync('mknod', [at('null'), 'c', '1', '5']);
    },
    ['/etc/null device'],
  ],
  'a block device': [
    (at) => {
      unlinkSync(at('null'));
      execFileSync('mknod', [at('null'), 'b', '1', '3']);
    },
    ['/etc/null type'],
  ],
  'twins that are none any more': [
    (at) => {
      unlinkSync(at('twin-too'));
      writeFileSync(at('twin-too'), 'twins');
    },
    ['/etc/twin links', '/etc/twin-too links'],
  ],
  'twins that were none': [
    (at) => {
      unlinkSync(at('other'));
      linkSync(at('twin'), at('other'));
    },
    ['/etc/other links', '/etc/twin links', '/etc/twin-too links'],
  ],
  'an attribute': [(at) => setAttribute(at('conf'), 'user.note', 'x'), ['/etc/conf xattrs']],
  'a capability': [(at) => execFileSync('setcap', ['cap_net_raw=ep', at('tool')]), ['/etc/tool xattrs']],
  'an access control list': [
    (at) => setAttribute(at('conf'), 'system.posix_acl_access', acl(0o4)),
    ['/etc/conf mode', '/etc/conf xattrs'],
  ],
  'a default access control list': [
    (at) => setAttribute(at('full'), 'system.posix_acl_default', acl(0o5)),
    ['/etc/full xattrs'],
  ],
};

const found = (a: string, b: string, begun = never) =>
  [...findDifferences(observeTree(a, begun), observeTree(b, begun))].map(
    ({ path, aspect }) => `${path} ${aspect}`,
  );

test('two trees of the same making are the same', () => {
  expect(found(makeTree('a'), makeTree('b'))).toEqual([]);
});

test.each(Object.entries(plants))('%s is found, both ways', (_, [change, expected]) => {
  const [a, b] = [makeTree('a'), makeTree('b')];
  change((name) => join(b, 'etc', name));
  for (const name of ['conf', 'twin', 'twin-too', 'other', 'null', 'link', 'full', '.'])
    try {
      keepTime(join(b, 'etc', name));
    } catch {
      // It is the one that was taken away.
    }
  expect(found(a, b)).toEqual(expected);
  expect(found(b, a)).toEqual(expected);
});

describe('times', () => {
  test('that were set are compared to the nanosecond', () => {
    const [a, b] = [makeTree('a'), makeTree('b')];
    execFileSync('touch', ['-d', '2020-09-13 12:26:40.000000001 UTC', join(b, 'etc/conf')]);
    lutimesSync(join(b, 'etc/link'), past + 1, past + 1);
    utimesSync(join(b, 'etc/full'), past + 1, past + 1);
    expect(found(a, b)).toEqual(['/etc/conf mtime', '/etc/full mtime', '/etc/link mtime']);
  });

  test('of the run itself are all the same, and not the same as those of a package', () => {
    const [a, b] = [makeTree('a'), makeTree('b')];
    const [now, later] = [past + 100, past + 200];
    utimesSync(join(a, 'etc/conf'), now, now);
    utimesSync(join(b, 'etc/conf'), later, later);
    utimesSync(join(a, 'etc/tool'), now, now);
    expect(found(a, b, BigInt(now) * 1_000_000_000n)).toEqual(['/etc/tool mtime']);
  });

  test('of a directory count unless it is the reference in which something came or went', () => {
    const [a, b] = [makeTree('a'), makeTree('b')];
    utimesSync(join(a, 'etc/full'), past + 100, past + 100);
    const begun = BigInt(past + 100) * 1_000_000_000n;
    expect(found(a, b, begun)).toEqual([]);
    expect(found(b, a, begun)).toEqual(['/etc/full mtime']);
  });
});

test('a file whose inode was touched since the copies were made is read, the others are not', async () => {
  const root = makeTree('a');
  // The clock of inodes lags some milliseconds behind.
  await sleep(50);
  const begun = BigInt(Date.now()) * 1_000_000n;
  await sleep(50);
  writeFileSync(join(root, 'etc/conf'), 'colour = pink\nsize = 3\n');
  utimesSync(join(root, 'etc/conf'), past, past);
  const tree = observeTree(root, begun);
  expect([...tree].filter(([, { identity }]) => identity === undefined).map(([path]) => path)).toEqual([
    '/etc/conf',
  ]);
});

describe('in words', () => {
  const words = (a: string, b: string) => {
    const [only] = findDifferences(new Map([['/x', fact(a)]]), new Map([['/x', fact(b)]]));
    return inWords(only!);
  };

  test('the lines that only one of them has', () => {
    expect(words('a\nsame\nb', 'same\nc')).toMatchObject({ reference: 'a\nb', candidate: 'c' });
  });

  test('how often a line is there counts, and the order', () => {
    expect(words('a\na', 'a')).toMatchObject({ reference: 'a', candidate: '' });
    expect(words('a\nb', 'b\na')).toMatchObject({ candidate: 'the same lines in another order' });
  });

  test('not more of a long text than helps', () => {
    const { reference } = words(Array.from({ length: 100 }, (_, line) => `line ${line}`).join('\n'), '');
    expect(reference.split('\n')).toHaveLength(9);
    expect(reference).toContain('… 92 more lines');
  });

  test('what is there, where the other has nothing', () => {
    const item: Item = fact('active');
    const [lone] = findDifferences(new Map([['live:unit/x', item]]), new Map());
    expect(inWords(lone!)).toEqual({
      path: 'live:unit/x',
      aspect: 'presence',
      reference: 'active',
      candidate: 'absent',
    });
  });
});
