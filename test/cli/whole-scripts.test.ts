/** Scripts that act on the running system themselves, and not by a program that is known to: they are replayed whole. */
import { PlanReader } from '../../src/plan/reader.js';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { Workbench } from './support.js';

/** What the postinst of a package does, and why that cannot happen offline; undefined: it can. */
const packages: Readonly<Record<string, { readonly does: string; readonly reason?: string }>> = {
  setting: {
    does: 'echo 1 > /proc/sys/vm/swappiness || :',
    reason: 'a write to /proc/sys/vm/swappiness',
  },
  parameter: {
    does: 'f=$(ls /sys/module/*/parameters/* | head -n 1); sh -c "echo 1 > $f" || :',
    reason: 'a write to /sys/module/',
  },
  mounting: {
    // umount2(2) of nothing.
    does: `perl -e 'my $nowhere = "/nowhere"; syscall(166, $nowhere, 0)'`,
    reason: 'umount2(2)',
  },
  // What it looks for may be what the action would have made.
  waiting: {
    does: 'systemctl daemon-reload; test -e /run/made-by-the-manager',
    reason: 'it ended with status 1 after live actions',
  },
  // The replay is root, and would do it.
  user: {
    does: 'setpriv --reuid=65534 --clear-groups systemctl daemon-reload || :',
    reason: 'systemctl as a user who is not root',
  },
  given: {
    does: 'ssh-keygen -q -N "" -f /var/lib/oua-given; chown 65534 /var/lib/oua-given',
    reason: 'it has got another owner or mode',
  },
  moved: {
    does: 'ssh-keygen -q -N "" -f /var/lib/oua-new; mv /var/lib/oua-new /var/lib/oua-moved; systemctl daemon-reload',
    reason: '/var/lib/oua-new is made for one machine, and it is not there any more',
  },
  copied: {
    does: 'ssh-keygen -q -N "" -f /var/lib/oua-key; cp /var/lib/oua-key /var/lib/oua-copied',
    reason: 'it is at /var/lib/oua-copied, too',
  },
  made: { does: 'cd /var/lib; ssh-keygen -q -N "" -f oua-made-here' },
  missing: { does: 'systemctl enable oua-missing || :' },
  // Whether the kernel has a module is known, and only one that it has is loaded at the replay.
  module: { does: 'modprobe loop; ! modprobe oua-none' },
  stopped: {
    does: 'systemctl disable --now oua-missing || :',
    reason: 'systemctl disable --now of a unit that cannot be had',
  },
  // Other packages' scripts look at the same files, or write to their own.
  reading: {
    does: 'cat /proc/sys/vm/swappiness /sys/module/*/parameters/* > /var/lib/read; echo 5 > /proc/self/oom_score_adj || :',
  },
};

let guest: SuspendedGuest;
let bench: Workbench;
beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
});
afterAll(() => bench[Symbol.dispose]());

/** Makes packages, from what their postinsts do, where they are installed. */
const making = (scripts: Readonly<Record<string, { readonly does: string }>>) => [
  'cd /tmp',
  ...Object.entries(scripts).flatMap(([name, { does }]) => [
    `mkdir -p ${name}/DEBIAN`,
    `printf '%s\\n' 'Package: oua-${name}' 'Version: 1' 'Architecture: all' 'Maintainer: n <n@n>' 'Description: n' > ${name}/DEBIAN/control`,
    `cat > ${name}/DEBIAN/postinst <<'EOT'\n#!/bin/sh\nset -e\n${does}\nEOT`,
    `chmod 755 ${name}/DEBIAN/postinst`,
    `dpkg-deb --build ${name} >/dev/null`,
  ]),
];

/** Where there is none: all that is asked of it here. */
const keygen = [
  'if [ ! -e /usr/bin/ssh-keygen ]; then',
  `printf '%s\\n' '#!/bin/sh' 'for f; do :; done' '(umask 077; head -c 99 /dev/urandom > "$f")' 'echo public > "$f.pub"' > /usr/bin/ssh-keygen`,
  'chmod 755 /usr/bin/ssh-keygen; fi',
];

const script = [
  ...keygen,
  ...making(packages),
  `dpkg -i ${Object.keys(packages)
    .map((name) => `${name}.deb`)
    .join(' ')}`,
].join('\n');

interface ScriptRow {
  readonly package: string;
  readonly runs: string;
  readonly reason?: string;
}

test('each is replayed whole with its reason, and others are not', async () => {
  const output = bench.file('effects.ouplan');
  const run = await bench.run(
    ...['plan', '--disk', guest.disk, '--memory', guest.memory, '-o', output, '--', 'sh', '-ec', script],
  );
  expect(run).toMatchObject({ status: 0, stderr: expect.any(String) as string });
  const { scripts } = await bench.document<{ scripts: ScriptRow[] }>('show', output, '--scripts', '--json');
  expect(scripts.map(({ package: name, runs, reason }) => [name, runs, reason])).toEqual(
    Object.entries(packages).map(([name, { reason }]) => [
      `oua-${name}`,
      reason === undefined ? 'offline' : 'replay',
      reason === undefined ? undefined : (expect.stringContaining(reason) as string),
    ]),
  );
  using plan = PlanReader.open(output);
  const steps = [...plan.steps()];
  const actions = steps.flatMap((step) => (step.kind === 'action' ? [step.action.argv.join(' ')] : []));
  expect(actions).toEqual(['ssh-keygen -q -N  -f oua-made-here', 'modprobe loop']);
  const changed = steps.flatMap((step) =>
    step.kind === 'files' ? step.changes.map(({ path }) => String(path)) : [],
  );
  expect(changed.filter((path) => path.startsWith('/var/lib/oua-'))).toEqual([]);
  expect(bench.leftovers()).toEqual([]);
});

test('what they and live actions will print has its place in a copy of their terminal', async () => {
  const output = bench.file('terminal.ouplan');
  const typescript = '/var/log/typescript';
  const commands = [
    ...making({
      speaking: {
        does: 'echo one; systemctl daemon-reload; echo two; systemctl daemon-reload >/dev/null; echo three',
      },
      mounting: { does: `echo nothing; ${packages['mounting']!.does}` },
    }),
    `script -qec 'dpkg -i speaking.deb mounting.deb' ${typescript} > /var/lib/seen`,
  ].join('\n');
  const run = await bench.run(
    ...['plan', '--disk', guest.disk, '--memory', guest.memory, '-o', output, '--', 'sh', '-ec', commands],
  );
  expect(run).toMatchObject({ status: 0, stderr: expect.any(String) as string });
  expect(run.stdout + run.stderr).not.toContain('ouassister:');
  using plan = PlanReader.open(output);
  const steps = [...plan.steps()];
  const terminals = steps.flatMap((step, number) =>
    step.kind === 'action'
      ? [[number, step.action.terminal]]
      : step.kind === 'script' && step.call.runs === 'replay'
        ? [[number, step.call.terminal]]
        : [],
  );
  expect(terminals.map(([, terminal]) => terminal)).toEqual(['both', 'errors', 'both']);
  const last = (path: string) =>
    steps
      .flatMap((step) => (step.kind === 'files' ? step.changes : []))
      .findLast((change) => change.action === 'put' && String(change.path) === path);
  for (const path of [typescript, '/var/lib/seen']) {
    const change = last(path);
    if (change?.action !== 'put') throw new Error(`${path} is not in the plan`);
    const content = plan.content(change.state.content!).toString();
    expect(content).toContain('one\r\ntwo\r\nthree\r\n');
    expect(content).not.toMatch(/nothing|ouassister:/);
    const [first, second, whole] = terminals.map(([number]) => number);
    expect(change.outputs).toEqual([
      { offset: content.indexOf('two'), step: first },
      { offset: content.indexOf('three'), step: second },
      { offset: expect.any(Number) as number, step: whole },
    ]);
    const place = change.outputs![2]!.offset;
    expect(content.slice(0, place)).toMatch(/Setting up oua-mounting \(1\) \.\.\.\r\n$/);
  }
  expect(bench.leftovers()).toEqual([]);
});

test('what they do is there for the package manager to go on with, and is not in the plan', async () => {
  const output = bench.file('rehearsed.ouplan');
  const rehearsed = {
    does: [
      'systemctl daemon-reload',
      'useradd --system oua-made',
      'mkdir /var/lib/oua-made; echo word > /var/lib/oua-made/file',
      // Neither of them is to be heard, or waited for, or to write into later steps.
      'echo heard',
      '(while sleep 0.1; do date > /var/lib/oua-later; done) &',
      '(while :; do date > /var/lib/oua-later; done) &',
      packages['mounting']!.does,
      'exit 7',
    ].join('\n'),
  };
  const commands = [
    ...making({ rehearsed, after: { does: 'chown oua-made /var/lib/oua-made; rm -f /var/lib/oua-later' } }),
    'script -qec "dpkg -i rehearsed.deb" /var/log/typescript',
    'dpkg -i after.deb',
    'cat /var/lib/oua-made/file > /var/lib/oua-seen',
    'sleep 0.5; test ! -e /var/lib/oua-later',
  ].join('\n');
  const run = await bench.run(
    ...['plan', '--disk', guest.disk, '--memory', guest.memory, '-o', output, '--', 'sh', '-ec', commands],
  );
  expect(run).toMatchObject({ status: 0, stderr: expect.any(String) as string });
  using plan = PlanReader.open(output);
  const steps = [...plan.steps()];
  const changes = steps.flatMap((step) => (step.kind === 'files' ? step.changes : []));
  const changed = changes.map(({ path }) => String(path));
  expect(changed).toEqual(expect.arrayContaining(['/var/lib/oua-seen', '/var/lib/oua-made']));
  expect(changed).not.toEqual(expect.arrayContaining(['/etc/passwd']));
  expect(changed.filter((path) => /oua-made\//.test(path))).toEqual([]);
  // The package after it removes what the guest may have by then.
  const later = changes.filter(({ path }) => String(path) === '/var/lib/oua-later');
  expect(later.filter(({ action }) => action !== 'remove')).toEqual([]);
  expect(steps.filter(({ kind }) => kind === 'action')).toEqual([]);
  const typescript = changes.findLast(({ path }) => String(path) === '/var/log/typescript');
  if (typescript?.action !== 'put') throw new Error('the typescript is not in the plan');
  expect(plan.content(typescript.state.content!).toString()).not.toContain('heard');
  expect(bench.leftovers()).toEqual([]);
});
