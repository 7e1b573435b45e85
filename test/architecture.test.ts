import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

/** The rooms of `docs/architecture.md`, and which rooms each may import from. */
const below: Readonly<Record<string, readonly string[]>> = {
  base: [],
  native: ['base'],
  plan: ['native', 'base'],
  qemu: ['base'],
  memory: ['qemu', 'base'],
  kernel: ['memory', 'base'],
  guest: ['kernel', 'memory', 'base'],
  disk: ['native', 'base'],
  emulate: ['tracer', 'guest', 'base'],
  tracer: ['native', 'base'],
  shadow: ['disk', 'guest', 'plan', 'native', 'base'],
  sandbox: ['native', 'base'],
  transport: ['qemu', 'native', 'base'],
  isolation: ['qemu', 'base'],
  planner: [
    ...['sandbox', 'shadow', 'tracer', 'emulate', 'disk', 'guest', 'kernel', 'memory'],
    ...['plan', 'native', 'base'],
  ],
  applier: ['transport', 'isolation', 'qemu', 'plan', 'base'],
  report: ['plan', 'base'],
  cli: [
    ...['planner', 'applier', 'report', 'sandbox', 'tracer', 'disk', 'shadow', 'guest', 'kernel', 'memory'],
    ...['plan', 'native', 'base'],
  ],
};

const filesOf = (folder: string, ending: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(ending))
    .map((name) => join(folder, name));

const room = (path: string) => path.split('/')[1]!;

test('imports go downwards only', () => {
  const sources = filesOf('src', '.ts');
  const upwards = sources.flatMap((file) =>
    [...readFileSync(file, 'utf8').matchAll(/(?:from|import\()\s*'(\.[^']+)'/g)]
      .map(([, target]) => normalize(join(dirname(file), target!)))
      .filter((target) => room(target) !== room(file) && !below[room(file)]?.includes(room(target)))
      .map((target) => `${file} imports ${target}`),
  );
  expect(sources.length).toBeGreaterThan(100);
  expect(upwards).toEqual([]);
});

test('nothing below the command line prints', () => {
  const printing = filesOf('src', '.ts').filter(
    (file) =>
      room(file) !== 'cli' && /process\.std(out|err)\.write|console\./.test(readFileSync(file, 'utf8')),
  );
  expect(printing).toEqual([]);
});

test('every link between the documents leads somewhere', () => {
  const pages = ['README.md', 'CONTRIBUTING.md', ...filesOf('docs', '.md')];
  const dead = pages.flatMap((page) =>
    [...readFileSync(page, 'utf8').matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)]
      .map(([, target]) => normalize(join(dirname(page), target!)))
      .filter((target) => !existsSync(target))
      .map((target) => `${page} → ${target}`),
  );
  expect(dead).toEqual([]);
});
