import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { execa } from 'execa';
import { PlanReader } from '../../src/plan/reader.js';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { buildPackage, packageFile } from './package.js';
import { expectRefusal, Workbench } from './support.js';

let guest: SuspendedGuest;
let bench: Workbench;
beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
});
afterAll(() => bench[Symbol.dispose]());

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const images = () => ['--disk', guest.disk, '--memory', guest.memory];
const install = (version: string) => ['dpkg', '-i', packageFile(version)];

interface Conffile {
  readonly path: string;
  readonly package?: string;
  readonly by: string;
  readonly decision: string;
  readonly admin?: string;
  readonly offered: string;
  readonly beside?: string;
}
interface Question {
  readonly name: string;
  readonly type?: string;
  readonly value?: string;
  readonly withheld: boolean;
  readonly seen: boolean;
}

/** Asks debconf, writes down what it is told, and has ucf care for a file. */
const postinst = `#!/bin/sh
set -e
. /usr/share/debconf/confmodule
for name in colour size secret; do
  db_input critical app/$name || true
done
db_go || true
db_get app/colour
echo "colour $RET" > /etc/app.answers
db_get app/size
echo "size $RET" >> /etc/app.answers
db_get app/secret
echo "secret $RET" > /etc/app.secret
chmod 600 /etc/app.secret
if command -v ucf; then
  ucf --debconf-ok /usr/share/app/app.ini /etc/app.ini
  ucfr app /etc/app.ini
fi >&2
`;
const templates = [
  'Template: app/colour\nType: select\nChoices: red, blue\nDefault: red\nDescription: A colour?\n',
  'Template: app/size\nType: string\nDefault: 7\nDescription: A size?\n',
  'Template: app/secret\nType: password\nDescription: A secret?\n',
].join('\n');
const version = (number: string) =>
  buildPackage({
    version: number,
    files: {
      '/etc/app.conf': `theirs ${number}\n`,
      '/usr/share/app/app.ini': `theirs ${number}\n`,
    },
    conffiles: ['/etc/app.conf'],
    control: { postinst, templates },
  });
const prepare = [
  `apt-get -q update && apt-get -q -y install ucf`,
  `${version('1')}\n${install('1').join(' ')}`,
  'for file in /etc/app.conf /etc/app.ini; do echo mine > $file; done',
  version('2'),
].flatMap((line) => ['--run', line]);

/** Makes a plan of an upgrade of the package, whose configuration the administrator has changed. */
async function upgrade(name: string, ...options: string[]): Promise<string> {
  const plan = bench.file(name);
  await bench.document(
    'plan',
    ...images(),
    '-o',
    plan,
    '--json',
    ...options,
    ...prepare,
    '--',
    ...install('2'),
  );
  return plan;
}

/** The content that the plan leaves at a path. */
function content(path: string, at: string): string | undefined {
  using plan = PlanReader.open(path);
  let id: string | undefined;
  for (const step of plan.steps())
    for (const change of step.kind === 'files' ? step.changes : []) {
      if (change.path.toString() !== at) continue;
      id = change.action === 'put' ? change.state.content : undefined;
    }
  return id === undefined ? undefined : plan.content(id).toString();
}

const theirs = (number: string) => sha256(`theirs ${number}\n`);
const mine = sha256('mine\n');

test('the administrator’s configuration is kept, answers come from a file, and the plan tells both', async () => {
  const answers = bench.file('answers');
  writeFileSync(answers, '# answers\napp app/colour select blue\napp app/secret password hunter2\n');
  const plan = await upgrade('kept', '--preseed', answers);

  expect(content(plan, '/etc/app.conf')).toBe('mine\n');
  expect(content(plan, '/etc/app.conf.dpkg-dist')).toBe('theirs 2\n');
  expect(content(plan, '/etc/app.answers')).toBe('colour blue\nsize 7\n');
  expect(content(plan, '/etc/app.secret')).toBe('secret hunter2\n');
  expect(content(plan, '/var/cache/debconf/passwords.dat')).toContain('hunter2');
  expect(content(plan, '/var/log/dpkg.log')).toMatch(/ conffile \/etc\/app\.conf keep\n/);

  const views = await bench.document<{ conffiles: Conffile[]; debconf: Question[] }>(
    ...['show', plan, '--conffiles', '--debconf', '--json'],
  );
  const decided = { package: 'app', decision: 'keep', admin: mine, offered: theirs('2') };
  expect(views.conffiles).toEqual([
    { path: '/etc/app.conf', by: 'dpkg', ...decided, beside: '/etc/app.conf.dpkg-dist' },
    { path: '/etc/app.ini', by: 'ucf', ...decided, beside: '/etc/app.ini.ucf-dist' },
  ]);
  expect(views.debconf.filter(({ name }) => name.startsWith('app/'))).toEqual([
    { name: 'app/colour', type: 'select', value: 'blue', withheld: false, seen: true, owners: ['app'] },
    { name: 'app/secret', type: 'password', withheld: true, seen: true, owners: ['app'] },
    { name: 'app/size', type: 'string', value: '7', withheld: false, seen: false, owners: ['app'] },
  ]);
  const { counts, commands } = await bench.document<{
    counts: Record<string, number>;
    commands: { argv: string[] }[];
  }>('show', plan, '--json');
  expect(counts).toMatchObject({ conffilesKept: 2, conffilesInstalled: 0 });
  expect(commands[0]!.argv[0]).toBe('/usr/bin/debconf-set-selections');

  // What only the files of the plan may have is in nothing that is shown of it.
  const shown = await bench.run(
    ...[
      'show',
      plan,
      '--packages',
      '--steps',
      '--scripts',
      '--actions',
      '--files',
      '--conffiles',
      '--debconf',
    ],
    ...['--proc', '--signals', '--programs'],
  );
  expect(shown.status).toBe(0);
  expect(shown.stdout).toMatch(/^app\/secret +password +\(withheld\)/m);
  expect(shown.stdout).toMatch(/^keep +dpkg +app +\/etc\/app\.conf +\/etc\/app\.conf\.dpkg-dist$/m);
  expect(shown.stdout).not.toContain('hunter2');
  const summary = await bench.run('show', plan);
  expect(summary.stdout).toMatch(/^conffiles +2 kept as the administrator has them, 0 replaced$/m);
  expect(bench.leftovers()).toEqual([]);
});

test('the package’s configuration is installed when the operator says so', async () => {
  const plan = await upgrade('installed', '--conffiles', 'install');
  expect(content(plan, '/etc/app.conf')).toBe('theirs 2\n');
  expect(content(plan, '/etc/app.conf.dpkg-old')).toBe('mine\n');
  const { conffiles } = await bench.document<{ conffiles: Conffile[] }>(
    'show',
    plan,
    '--conffiles',
    '--json',
  );
  expect(conffiles).toEqual([
    {
      ...{ path: '/etc/app.conf', package: 'app', by: 'dpkg', decision: 'install' },
      ...{ admin: mine, offered: theirs('2'), beside: '/etc/app.conf.dpkg-old' },
    },
    {
      ...{ path: '/etc/app.ini', package: 'app', by: 'ucf', decision: 'keep' },
      ...{ admin: mine, offered: theirs('2'), beside: '/etc/app.ini.ucf-dist' },
    },
  ]);
});

test('the guest’s own configuration of dpkg decides first, and the plan says so', async () => {
  const plan = bench.file('by-guest');
  const own = ['--run', 'echo force-confnew > /etc/dpkg/dpkg.cfg.d/own'];
  await bench.document('plan', ...images(), '-o', plan, '--json', ...own, ...prepare, '--', ...install('2'));
  expect(content(plan, '/etc/app.conf')).toBe('theirs 2\n');
  const { notes } = await bench.document<{ notes: { code: string; text: string }[] }>('show', plan, '--json');
  expect(notes).toContainEqual({
    code: 'CONFFILES_BY_GUEST',
    text: expect.stringMatching(/otherwise than 'keep' about \/etc\/app\.conf$/) as string,
  });
});

test('a bad line of answers is refused with its number, before anything is done', async () => {
  const answers = bench.file('bad');
  writeFileSync(answers, 'app app/colour select blue\n\napp app/secret pasword hunter2\n');
  const result = await bench.run('plan', ...images(), '--preseed', answers, '--', 'true');
  expectRefusal(bench, result, 'USAGE', 2);
  expect(result.stderr).toContain('bad, line 3: its third word is no type');
  expect(result.stderr).not.toContain('hunter2');
  expectRefusal(
    bench,
    await bench.run('plan', ...images(), '--preseed', bench.file('none'), '--', 'true'),
    'FILE_MISSING',
    1,
  );
});

test('who asks a person gets no answer, and does not wait for one, not even with a terminal', async () => {
  const asks = [
    '#!/bin/sh',
    'read line && exit 11',
    '(: < /dev/tty) 2>/dev/null && exit 12',
    '[ -t 0 ] && exit 13',
    'exit 0',
    '',
  ].join('\n');
  const plan = bench.file('asks');
  const build = ['--run', buildPackage({ version: '3', control: { preinst: asks, postinst: asks } })];
  const planning = ['plan', ...images(), '-o', plan, ...build, '--', ...install('3')];
  const argv = [process.execPath, bench.main, ...planning];
  const quoted = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  const { exitCode, stdout } = await execa('script', ['-qec', quoted, '/dev/null'], {
    ...{ stdin: 'ignore', reject: false },
    env: { TMPDIR: bench.scratch, NO_COLOR: '1' },
  });
  expect({ exitCode, stdout: exitCode === 0 ? '' : stdout }).toEqual({ exitCode: 0, stdout: '' });
  expect(readFileSync(plan).length).toBeGreaterThan(0);
});
