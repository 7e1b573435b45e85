import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { MergeFormat } from '../../src/plan/model.js';
import { databaseFormat } from '../../src/planner/databases.js';
import { MergeProgram, type Merged } from './merge-program.js';

let program: MergeProgram;
beforeAll(() => {
  program = MergeProgram.start();
});
afterAll(async () => expect(await program.stop()).toBe(0));

/** What a database holds, by key. */
type Content = Readonly<Record<string, string>>;

/** How a content looks in each format. */
interface Notation {
  readonly format: MergeFormat;
  readonly record: (key: string, value: string) => string;
  readonly head?: string;
  readonly tail?: string;
}

const notations: readonly Notation[] = [
  // The number hangs on the name, so that no two names ever share one.
  { format: 'accounts', record: (key, value) => `${key}:x:${key.charCodeAt(0)}:${value}\n` },
  { format: 'shadow', record: (key, value) => `${key}:${value}:::\n` },
  {
    format: 'status',
    record: (key, value) =>
      `Package: ${key}\nStatus: install ok installed\nArchitecture: amd64\nDescription: ${value}\n .\n more\n\n`,
  },
  { format: 'debconf', record: (key, value) => `Name: ${key}/q\nValue: ${value}\n\n` },
  { format: 'diversions', record: (key, value) => `/bin/${key}\n/bin/${key}.${value}\n:\n` },
  { format: 'statoverride', record: (key, value) => `root ${value} 755 /srv/two words/${key}\n` },
  { format: 'triggers', record: (key, value) => `/usr/${key} ${value}\n` },
  {
    format: 'alternatives',
    record: (key, value) => `/bin/${key}\n${value.length}\n${value}\n`,
    head: 'manual\n/bin/it\nit.1\n/man/it.1\n\n',
    tail: '\n',
  },
];

const write = ({ record, head = '', tail = '' }: Notation, content: Content): string =>
  head +
  Object.entries(content)
    .map(([key, value]) => record(key, value))
    .join('') +
  tail;

/** A database as a set of records: what has no order is compared without it. */
const sorted = ({ format }: Notation, text: string): string[] => {
  const cuts: Partial<Record<MergeFormat, RegExp>> = {
    status: /(?<=\n\n)/,
    debconf: /(?<=\n\n)/,
    diversions: /(?<=\n:\n)/,
    // Written in one order only.
    alternatives: /$/,
  };
  return text.split(cuts[format] ?? /(?<=\n)/).sort();
};

const order = (content: Content): Content =>
  Object.fromEntries(Object.entries(content).sort(([a], [b]) => (a < b ? -1 : 1)));
const content: fc.Arbitrary<Content> = fc.dictionary(
  fc.constantFrom(...'abcdefgh'),
  fc.constantFrom('one', 'two', 'three'),
);
const shuffled = content.chain((of) =>
  fc
    .shuffledSubarray(Object.keys(of), { minLength: Object.keys(of).length })
    .map((keys): Content => Object.fromEntries(keys.map((key) => [key, of[key]!]))),
);

/** The rule, in few words: undefined is a conflict. */
function expected(base: Content, planned: Content, current: Content): Content | undefined {
  const merged: Record<string, string> = {};
  for (const key of new Set([base, planned, current].flatMap((side) => Object.keys(side)))) {
    const [b, p, c] = [base[key], planned[key], current[key]];
    if (p !== b && c !== b && p !== c) return undefined;
    const value = p === b ? c : p;
    if (value !== undefined) merged[key] = value;
  }
  return merged;
}

const textOf = (merged: Merged): string => {
  expect(merged).toHaveProperty('text');
  return 'text' in merged ? merged.text : '';
};
const runs = { numRuns: 150 };

describe.each(notations)('a database of the format $format', (notation) => {
  const { format } = notation;
  const merge = (base: Content, planned: Content, current: Content) =>
    program.merge(format, write(notation, base), write(notation, planned), write(notation, current));

  test('has of each record what the side made of it that changed it, or is refused', async () => {
    const seen = new Set<boolean>();
    await fc.assert(
      fc.asyncProperty(shuffled, shuffled, shuffled, async (base, planned, current) => {
        const merged = await merge(base, planned, current);
        const right = expected(base, planned, current);
        seen.add(right !== undefined);
        if (right)
          expect(sorted(notation, textOf(merged))).toEqual(sorted(notation, write(notation, order(right))));
        else
          expect(merged).toEqual({
            conflict: expect.stringMatching(/^record '.+': .*both changed/) as string,
          });
      }),
      runs,
    );
    expect(seen.size).toBe(2);
  });

  test('is the planned one to the letter when the guest changed nothing', async () => {
    await fc.assert(
      fc.asyncProperty(shuffled, shuffled, async (base, planned) => {
        const kept = format === 'alternatives' ? order(planned) : planned;
        expect(textOf(await merge(base, planned, base))).toBe(write(notation, kept));
      }),
      runs,
    );
  });

  test("is the guest's to the letter when the plan changed nothing, in the order that it has", async () => {
    await fc.assert(
      fc.asyncProperty(content, content, async (base, current) => {
        const own = order(current);
        expect(textOf(await merge(order(base), order(base), own))).toBe(write(notation, own));
      }),
      runs,
    );
  });

  test('says the same whoever is first', async () => {
    await fc.assert(
      fc.asyncProperty(content, content, content, async (base, one, other) => {
        const [ahead, back] = [await merge(base, one, other), await merge(base, other, one)];
        if ('conflict' in ahead) expect(back).toHaveProperty('conflict');
        else expect(sorted(notation, textOf(back))).toEqual(sorted(notation, ahead.text));
      }),
      runs,
    );
  });
});

describe('numbers that are given out by both', () => {
  const root = 'root:x:0:0::/root:/bin/sh\n';
  test.each<[string, MergeFormat, string, string, string, RegExp]>([
    [
      'a uid',
      'accounts',
      root,
      'web:x:101:101::/:/bin/sh\n',
      'db:x:101:102::/:/bin/sh\n',
      /^record 'web': its number/,
    ],
    [
      'a range',
      'ranges',
      'me:100000:65536\n',
      'web:165536:65536\n',
      'db:165536:65536\n',
      /^record 'web:165536:65536'/,
    ],
  ])('%s is refused', async (_, format, base, planned, current, message) => {
    expect(await program.merge(format, base, base + planned, base + current)).toEqual({
      conflict: expect.stringMatching(message) as string,
    });
    expect(await program.merge(format, base, base + planned, base + planned + current)).toEqual({
      conflict: expect.stringMatching(/number/) as string,
    });
  });

  test('are no conflict when they are old ones, or of one that both have made', async () => {
    const toor = 'toor:x:0:0::/root:/bin/sh\n';
    const web = 'web:x:101:101::/:/bin/sh\n';
    expect(await program.merge('accounts', root, root + web, root + toor + web)).toEqual({
      text: root + toor + web,
    });
    expect(
      await program.merge('accounts', root + toor, root + toor + web, root.replace('sh', 'zsh') + toor),
    ).toEqual({
      text: root.replace('sh', 'zsh') + toor + web,
    });
    const ranges = ['me:1:9\n', 'me:20:9\n', 'you:30:9\n'] as const;
    expect(await program.merge('ranges', ranges[0], ranges[0] + ranges[1], ranges[0] + ranges[2])).toEqual({
      text: ranges[0] + ranges[2] + ranges[1],
    });
  });
});

test("records of the guest's own come behind what they followed, so that they are older than the plan's", async () => {
  const passwd = (...names: string[]) => names.map((name) => `${name}:*:1\n`).join('');
  expect(
    await program.merge(
      'shadow',
      passwd('a', 'b', '+'),
      passwd('a', 'b', 'p', '+'),
      passwd('0', 'a', 'b', 'l', 'm', '+'),
    ),
  ).toEqual({ text: passwd('0', 'a', 'b', 'l', 'm', 'p', '+') });
  // A last line without an end is a record like the others.
  expect(await program.merge('shadow', 'a:1', 'a:1\nb:2', 'a:1\nc:3')).toEqual({ text: 'a:1\nc:3\nb:2\n' });
});

test('the databases of this machine are taken, and come out as they are', async () => {
  const folders = ['/etc', ...['', '/triggers', '/alternatives'].map((name) => `/var/lib/dpkg${name}`)];
  const taken = new Set<string>();
  for (const folder of [...folders, '/var/cache/debconf'])
    for (const name of readdirSync(folder)) {
      const format = databaseFormat(Buffer.from(join(folder, name)));
      if (!format) continue;
      const text = readFileSync(join(folder, name));
      expect(await program.merge(format, text, text, text)).toEqual({ text: text.toString('latin1') });
      taken.add(format);
    }
  expect([...taken]).toEqual(
    expect.arrayContaining(['accounts', 'shadow', 'status', 'alternatives', 'debconf']),
  );
});

test('packages of two architectures are two records', async () => {
  const libc = (architecture: string, state: string) =>
    `Package: libc6\nStatus: ${state}\nArchitecture: ${architecture}\n\n`;
  const both = libc('amd64', 'new') + libc('i386', 'new');
  const old = libc('amd64', 'old') + libc('i386', 'old');
  expect(
    await program.merge(
      'status',
      old,
      libc('amd64', 'new') + libc('i386', 'old'),
      libc('amd64', 'old') + libc('i386', 'new'),
    ),
  ).toEqual({ text: both });
  expect(await program.merge('status', old, both, libc('amd64', 'hold') + libc('i386', 'old'))).toEqual({
    conflict: "record 'libc6:amd64': the plan and the guest have both changed it",
  });
});

describe('a group of alternatives', () => {
  type Alternative = readonly [path: string, priority: number, slaves?: Readonly<Record<string, string>>];
  const group = (status: string, slaves: readonly string[], ...alternatives: Alternative[]) =>
    [
      ...[status, '/usr/bin/editor', ...slaves.flatMap((name) => [name, `/usr/share/man/${name}`]), ''],
      ...alternatives.flatMap(([path, priority, files = {}]) => [
        path,
        priority,
        ...slaves.map((name) => files[name] ?? ''),
      ]),
      '',
    ]
      .map((line) => `${line}\n`)
      .join('');
  const ed: Alternative = ['/bin/ed', -100, { 'editor.1': '/man/ed.1' }];
  const nano: Alternative = ['/bin/nano', 40];
  const vim: Alternative = ['/usr/bin/vim', 30, { 'editor.1': '/man/vim.1', 'editor.da.1': '/man/da/vim.1' }];

  test('gets the alternatives of both, each with its slaves', async () => {
    const [base, planned, own] = [
      group('auto', ['editor.1'], ed),
      group('auto', ['editor.1', 'editor.da.1'], ed, vim),
      group('auto', ['editor.1'], ['/bin/ae', -200], ed),
    ];
    expect(await program.merge('alternatives', base, planned, own)).toEqual({
      text: group('auto', ['editor.1', 'editor.da.1'], ['/bin/ae', -200], ed, vim),
    });
  });

  test('is what update-alternatives makes of both', async () => {
    const slave = (name: string, path: string) => ['--slave', `/man/${name}`, name, path];
    const installEd = ['/bin/ed', '-100', ...slave('editor.1', '/man/ed')];
    const installAe = ['/bin/ae', '-200'];
    const installVim = [
      '/usr/bin/vim',
      '30',
      ...slave('editor.1', '/man/vim'),
      ...slave('editor.da.1', '/man/da'),
    ];
    const base = administered(installEd);
    const [one, other] = [administered(installEd, installVim), administered(installEd, installAe)];
    const both = administered(installEd, installAe, installVim);
    expect(await program.merge('alternatives', base, one, other)).toEqual({ text: both });
    expect(await program.merge('alternatives', base, other, one)).toEqual({ text: both });
  });

  /** What the real one keeps of a group that it has made. */
  function administered(...alternatives: readonly string[][]): string {
    const folder = mkdtempSync(join(tmpdir(), 'oua-alternatives-'));
    try {
      for (const name of [
        'etc/alternatives',
        'var/lib/dpkg/alternatives',
        'var/log',
        'bin',
        'usr/bin',
        'man',
      ])
        mkdirSync(join(folder, name), { recursive: true });
      for (const name of ['bin/ed', 'bin/ae', 'usr/bin/vim', 'man/ed', 'man/vim', 'man/da'])
        writeFileSync(join(folder, name), '');
      for (const [path = '', ...rest] of alternatives) {
        const install = ['--install', '/usr/bin/editor', 'editor', path, ...rest];
        execFileSync('update-alternatives', ['--root', folder, '--quiet', ...install]);
      }
      return readFileSync(join(folder, 'var/lib/dpkg/alternatives/editor'), 'utf8');
    } finally {
      rmSync(folder, { recursive: true });
    }
  }

  test.each<[string, string, string, string]>([
    [
      'the guest chose a better one than the plan',
      group('auto', [], ed),
      group('auto', [], ed, nano),
      group('auto', [], ed, ['/bin/x', 50]),
    ],
    [
      'the guest chose by hand',
      group('auto', [], ed),
      group('auto', [], ed, nano),
      group('manual', [], ed, ['/bin/x', -300]),
    ],
    [
      'the plan chose by hand',
      group('auto', [], ed),
      group('manual', [], ed, nano),
      group('auto', [], ed, ['/bin/x', 50]),
    ],
  ])('is refused when %s: the links would lead elsewhere', async (_, base, planned, current) => {
    expect(await program.merge('alternatives', base, planned, current)).toEqual({
      conflict: expect.stringContaining('have chosen different ones') as string,
    });
  });

  test("is refused when a slave of the guest's is gone from the plan's", async () => {
    expect(
      await program.merge(
        'alternatives',
        group('auto', ['editor.1'], nano),
        group('auto', [], nano),
        group('auto', ['editor.1'], ed, nano),
      ),
    ).toEqual({ conflict: "record '/bin/ed': it has a slave that the group has no more" });
  });

  test('may be made by both', async () => {
    expect(await program.merge('alternatives', '', group('auto', [], nano), group('auto', [], nano))).toEqual(
      {
        text: group('auto', [], nano),
      },
    );
  });
});

describe('what is not of its format', () => {
  test.each<[string, MergeFormat, string]>([
    ['an empty line', 'accounts', 'root:x:0\n\nme:x:1\n'],
    ['one name twice', 'shadow', 'me:1\nme:2\n'],
    ['a line without a key', 'shadow', ':x\n'],
    ['a diversion that is cut off', 'diversions', '/a\n/b\n'],
    ['an override without a path', 'statoverride', 'root root 755\n'],
    ['a line that is no field', 'status', 'Package: a\nwhat\n\n'],
    ['a line of blanks', 'status', 'Package: a\n \n\n'],
    ['a paragraph without a name', 'debconf', 'Value: x\n\n'],
    ['a paragraph with two names', 'debconf', 'Name: x\nname: y\n\n'],
    ['a paragraph that begins with a continuation', 'debconf', ' Name: x\n\n'],
    ['another status', 'alternatives', 'maybe\n/l\n\n\n'],
    ['no link', 'alternatives', 'auto\n'],
    ['a priority that is none', 'alternatives', 'auto\n/l\n\n/a\n1x\n\n'],
    ['a missing end', 'alternatives', 'auto\n/l\n\n/a\n1\n'],
    ['something behind the end', 'alternatives', 'auto\n/l\n\n\n\n'],
    ['a slave without a link', 'alternatives', 'auto\n/l\ns\n\n\n'],
  ])('%s is refused, and whose it is', async (_, format, text) => {
    expect(await program.merge(format, '', '', text)).toEqual({
      conflict: expect.stringMatching(/^as the guest has it: /) as string,
    });
    expect(await program.merge(format, '', text, '')).toEqual({
      conflict: expect.stringMatching(/^as it was planned: /) as string,
    });
  });

  test('never crashes the agent, whatever it is, and what it takes it takes again', async () => {
    const parts = [
      '\n',
      '\n\n',
      ':',
      ' ',
      '\t',
      '\0',
      'Name: a\n',
      'Package: b\n',
      'Architecture: c\n',
      '/a',
      '/b',
    ];
    const word = fc.oneof(
      fc.constantFrom(...parts, 'auto\n', 'manual\n', 'slave ', 'link', 'status', '-', '9', 'x'),
      fc.string({ maxLength: 4, unit: 'binary' }),
    );
    const noise = fc.array(word, { maxLength: 20 }).map((words) => words.join(''));
    const some = fc.constantFrom(...notations).chain((notation) => {
      const sound = content.map((of) => write(notation, of));
      const spoilt = fc.tuple(sound, fc.nat(), word, fc.nat(5)).map(([text, at, put, cut]) => {
        const place = at % (text.length + 1);
        return text.slice(0, place) + put + text.slice(place + cut);
      });
      const side = fc.oneof(sound, spoilt, spoilt, noise);
      return fc.tuple(fc.constant(notation.format), side, side, side);
    });
    const outcomes = new Set<string>();
    await fc.assert(
      fc.asyncProperty(some, async ([format, base, planned, current]) => {
        const merged = await program.merge(format, base, planned, current);
        outcomes.add(Object.keys(merged)[0]!);
        if (!('text' in merged)) return;
        const text = Buffer.from(merged.text, 'latin1');
        expect(await program.merge(format, text, text, text)).toEqual(merged);
      }),
      { numRuns: 3000 },
    );
    expect(outcomes.size).toBe(2);
  });
});

describe('what is very large', () => {
  const many = (count: number, line: (at: number) => string) =>
    Array.from({ length: count }, (_, at) => line(at)).join('');

  test('takes no more time than sorting it does', async () => {
    const base = many(200_000, (at) => `user${at}:x\n`);
    const merged = await program.merge(
      'shadow',
      base,
      `${base}planned:x\n`,
      `own:x\n${base.replaceAll('9:x', '9:y')}`,
    );
    expect(textOf(merged)).toBe(`own:x\n${base.replaceAll('9:x', '9:y')}planned:x\n`);
  });

  test('is refused when there are too many records, or would be too many lines', async () => {
    expect(
      await program.merge(
        'shadow',
        '',
        '',
        many(300_000, (at) => `u${at}\n`),
      ),
    ).toEqual({
      conflict: 'as the guest has it: there are too many records',
    });
    const slaves = `manual\n/l\n${many(30_000, (at) => `s${at}\n/s${at}\n`)}\n\n`;
    const alternatives = `manual\n/l\n\n${many(30_000, (at) => `/a${at}\n1\n`)}\n`;
    expect(await program.merge('alternatives', 'manual\n/l\n\n\n', slaves, alternatives)).toEqual({
      conflict: expect.stringContaining('too large') as string,
    });
  });
});
