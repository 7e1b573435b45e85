import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, uptime } from 'node:os';
import { join } from 'node:path';
import { applyPlan, type ApplyEvent, type ApplyOptions } from '../../src/applier/apply.js';
import { writeStream } from '../../src/applier/stream.js';
import { runTool } from '../../src/base/command.js';
import type { FileChange, StepOutput } from '../../src/plan/model.js';
import { PlanReader } from '../../src/plan/reader.js';
import { unmount } from '../../src/native/mounts.js';
import { agentProgram } from '../../src/transport/agent-program.js';
import { contentId } from '../plan/sample.js';
import { fullPlan, PlanBuilder, time } from './plans.js';
import { makeGuest, probe, snapshot, xattrs } from './tree.js';

let folder: string;
let root: string;
let file: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-apply-'));
  root = join(folder, 'guest');
  file = join(folder, 'plan');
  mkdirSync(root);
  makeGuest(root);
});
afterEach(() => rmSync(folder, { recursive: true }));

const apply = (plan = file, signal?: AbortSignal, onEvent?: (event: ApplyEvent) => void) =>
  applyPlan(plan, {
    target: { kind: 'root', directory: root },
    ...(signal && { signal }),
    ...(onEvent && { onEvent }),
  });

/** Refused, and not a byte or a time of the tree is different. */
async function refuses(code: string, message: RegExp): Promise<void> {
  const before = snapshot(root);
  await expect(apply()).rejects.toMatchObject({ code, message: expect.stringMatching(message) as string });
  expect(snapshot(root)).toEqual(before);
}

describe('a plan that fits', () => {
  test('is applied to the letter, and nothing else is left behind', async () => {
    const before = snapshot(root);
    await fullPlan(root).write(file);
    const events: string[] = [];
    const result = await apply(file, undefined, (event) => events.push(event.event));
    const after = snapshot(root);
    const at = (path: string) =>
      after.find((line) => line.startsWith(`.${path} `) || line.startsWith(`${path.slice(1)} `));

    expect(at('/etc/app.conf')).toMatch(/ 100640 0 33 13 1700000000000000005 /);
    expect(at('/srv')).toMatch(/ 42775 0 33 0 1650000000000000000 /);
    expect(at('/srv/site/page')).toMatch(/ 104755 1000 4000000000 3000000 1700000000000000005 /);
    expect(xattrs(join(root, 'srv/site/page'))).toEqual([
      'security.capability=0100000200200000000000000000000000000000',
      'user.note=61206e6f7465',
    ]);
    expect(readlinkSync(join(root, 'srv/site/here'))).toBe('../site');
    const { rdev } = lstatSync(join(root, 'srv/site/disk'));
    expect([(rdev >> 8) & 0xfff, (rdev & 0xff) | ((rdev >> 12) & 0xfff00)]).toEqual([259, 70_000]);
    expect(at('/srv/site/pipe')).toMatch(/ 10600 0 0 0 -5000000000 /);
    expect(at('/srv/site/socket')).toMatch(/ 140666 /);
    expect(readFileSync(join(root, 'srv/site/page-too'), 'utf8')).toBe('not the same any more');
    expect(readFileSync(join(root, 'usr/bin/tool-too'), 'utf8')).toBe('old tool');
    expect(lstatSync(join(root, 'usr/tool')).ino).toBe(lstatSync(join(root, 'usr/bin/tool')).ino);
    expect(readlinkSync(join(root, 'usr/share/doc/old'))).toBe('new');
    expect(readdirSync(join(root, 'usr/bin/t'))).toEqual(['inside']);
    expect(readdirSync(join(root, 'var/lib'))).toEqual(['dpkg']);
    for (const path of ['var/lib', 'var/lib/dpkg', '.'])
      expect(after.find((line) => line.startsWith(`${path} `))).toBe(
        before.find((line) => line.startsWith(`${path} `)),
      );
    expect(result).toMatchObject({ steps: 5, kept: [], scripts: [{ step: 1 }, { step: 3, skipped: true }] });
    expect(result.onlineSeconds).toBeLessThan(result.totalSeconds);
    expect(events).toEqual(['laid-out', 'phase', 'phase', ...Array<string>(5).fill('step'), 'phase', 'end']);
  });

  test('runs its scripts as they were called', async () => {
    const environment = ['A=1', 'EMPTY=', 'DPKG_MAINTSCRIPT_NAME=postinst'].map((value) =>
      Buffer.from(value),
    );
    await new PlanBuilder()
      .script(['show', 'configure', '', 'two words'], { environment, cwd: Buffer.from('/srv') })
      .write(file);
    const { scripts } = await apply();
    expect(scripts[0]?.output.split('\n')).toEqual([
      'argv /var/lib/dpkg/info/app.postinst',
      'argv show',
      'argv configure',
      'argv ',
      'argv two words',
      'env A=1',
      'env EMPTY=',
      'env DPKG_MAINTSCRIPT_NAME=postinst',
      'cwd /srv',
      'umask 022',
      'stdin 0',
      '',
    ]);
  });

  test('gives scripts no terminal to ask at, even when it has one itself', async () => {
    mkdirSync(join(root, 'dev'));
    execFileSync('mknod', [join(root, 'dev/tty'), 'c', '5', '0']);
    using plan = PlanReader.open(await new PlanBuilder().script(['terminal']).write(file));
    writeStream(plan, join(folder, 'stream'));
    const command = `${agentProgram()} apply --root ${root} --stream ${join(folder, 'stream')}`;
    const { stdout } = spawnSync('script', ['-qec', command, '/dev/null'], { encoding: 'utf8', input: '' });
    expect(stdout).toContain('"output":"terminal: No such device or address\\u000a"');
    expect(stdout).toContain('"status":"applied"');
  });

  describe('whose programs print on a terminal', () => {
    let pts: string;
    beforeEach(() => {
      pts = join(root, 'dev/pts');
      mkdirSync(pts, { recursive: true });
      execFileSync('mount', ['-t', 'devpts', '-o', 'ptmxmode=0666', 'devpts', pts]);
      symlinkSync('pts/ptmx', join(root, 'dev/ptmx'));
    });
    afterEach(() => void execFileSync('umount', [pts]));

    const log = '/var/lib/term.log';
    const text = () => readFileSync(join(root, log), 'utf8');

    test('puts what they say there where the plan has left it out', async () => {
      const plan = new PlanBuilder();
      const put = (content: string, ...outputs: StepOutput[]) =>
        plan.files({ ...plan.file(log, content), ...(outputs.length > 0 && { outputs }) });
      plan.action(['exit', '0'], { terminal: 'both' });
      put('begin\nend\n', { offset: 6, step: 0 });
      plan.script(['exit', '0'], { terminal: 'errors' });
      plan.action(['exit', '0'], { terminal: 'output' });
      plan.action(['exit', '0']);
      put('begin\nmiddle\nend\n', { offset: 6, step: 0 }, { offset: 13, step: 2 }, { offset: 13, step: 3 });
      await plan.write(file);
      const { scripts, overwritten } = await apply();
      const [output, errors] = ['to standard output\r\n', 'to standard error\r\n'];
      expect(text()).toBe(`begin\n${output}${errors}middle\n${errors}${output}end\n`);
      expect(scripts.map((each) => each.output.split('\n').sort())).toEqual(
        Array.from({ length: 4 }, () => ['', 'to standard error', 'to standard output']),
      );
      expect(overwritten).toEqual([]);
    });

    test('leaves the file as the plan has it where nothing was said', async () => {
      const plan = new PlanBuilder();
      plan.action(['touch', '/var/touched'], { terminal: 'both' });
      const change = plan.file(log, 'all\n', { mtime: time(1_600_000_000) });
      plan.files({ ...change, outputs: [{ offset: 4, step: 0 }] } as FileChange);
      await plan.write(file);
      await apply();
      expect(text()).toBe('all\n');
      expect(lstatSync(join(root, log)).mtimeMs).toBe(1_600_000_000_000);
    });

    test('takes more than a terminal holds, and keeps the first 4 MiB of it', async () => {
      const plan = new PlanBuilder();
      plan.action(['flood'], { terminal: 'output' });
      plan.files({ ...plan.file(log, '\n'), outputs: [{ offset: 1, step: 0 }] } as FileChange);
      await plan.write(file);
      await apply();
      expect(text()).toBe(`\n${'a line of words\r\n'.repeat(1 << 18)}`.slice(0, (4 << 20) + 1));
    });

    test('is stopped in the middle of a program that never stops talking', async () => {
      await new PlanBuilder().action(['babble'], { terminal: 'both' }).write(file);
      const before = snapshot(root);
      const abort = new AbortController();
      const running = apply(file, abort.signal, (event) => {
        if (event.event === 'phase' && event.phase === 'stage') setTimeout(() => abort.abort(), 300);
      });
      await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
      expect(snapshot(root)).toEqual(before);
    });

    test('takes back what was completed as well', async () => {
      const plan = new PlanBuilder();
      plan.action(['exit', '0'], { terminal: 'both' });
      plan.files({ ...plan.file(log, 'all\n'), outputs: [{ offset: 0, step: 0 }] } as FileChange);
      plan.action(['exit', '1'], { terminal: 'both' });
      await plan.write(file);
      const before = snapshot(root);
      await expect(apply()).rejects.toMatchObject({ code: 'ROLLED_BACK' });
      expect(snapshot(root)).toEqual(before);
    });
  });

  test('is taken back when a program that needs a terminal can get none', async () => {
    await new PlanBuilder().action(['exit', '0'], { terminal: 'output' }).write(file);
    await expect(apply()).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringContaining('there is no terminal for it') as string,
    });
  });

  test('gives an interpreter its text in a file, and a script its input', async () => {
    const plan = new PlanBuilder();
    const [text, input] = ['a text\n', 'an input\n'].map((content) => Buffer.from(content));
    for (const content of [text!, input!]) plan.contents.set(contentId(content), content);
    const before = readdirSync(join(root, 'var/lib'));
    const path = Buffer.from('/usr/bin/dpkg');
    const interpreter = { sha256: contentId(probe()), argument: 2 };
    const argv = ['sh', 'cat', '/var/tmp/rpm-tmp.Gone00', '1'].map((word) => Buffer.from(word));
    await plan
      .script([], { path, argv, content: contentId(text!), interpreter, input: contentId(input!) })
      .script([], { path, argv, content: contentId(text!), interpreter })
      .write(file);
    const { scripts } = await apply();
    expect(scripts.map(({ output }) => output)).toEqual(['a text\nan input\n', 'a text\n']);
    expect(readdirSync(join(root, 'var/lib'))).toEqual(before);
  });

  test('runs each script on the files of its moment', async () => {
    const plan = new PlanBuilder();
    await plan
      .files(plan.put('/srv/a', 'directory'))
      .script(['touch', '/srv/a/by-script'])
      .files(plan.remove('/srv/a/by-script'), plan.remove('/srv/a'))
      .write(file);
    await apply();
    expect(readdirSync(join(root, 'srv'))).toEqual([]);
  });

  test('tells which files of scripts it has overwritten', async () => {
    const plan = new PlanBuilder();
    const app = (content: string) => plan.file('/etc/app.conf', content, { mode: 0o640, gid: 33 });
    await plan
      .expect(root, '/usr/bin/tool', '/etc/app.conf', '/srv/new')
      .files(app('planned'), plan.file('/srv/same', 'same'))
      .script(['write', '/etc/app.conf', "a script's"])
      .script(['write', '/srv/same', 'same'])
      .script(['write', '/srv/new', 'new'])
      .files(plan.file('/usr/bin/tool', 'new tool'), app('planned later'))
      .files(plan.file('/srv/same', 'other'), plan.remove('/srv/new'), app('at last'))
      .write(file);
    expect((await apply()).overwritten).toEqual(['/etc/app.conf', '/srv/new']);
    expect(readFileSync(join(root, 'etc/app.conf'), 'utf8')).toBe('at last');
  });

  test('keeps the end of what a script says, and not all of it on the disk', async () => {
    await new PlanBuilder().script(['flood']).write(file);
    const { scripts } = await apply();
    expect(scripts[0]?.output).toMatch(/a line of words\nbounded\n$/);
  });

  test('can be applied once', async () => {
    await fullPlan(root).write(file);
    await apply();
    await refuses('PLAN_STALE', /^\/etc\/app\.conf: the content changed$/);
  });

  test('gives files of now the time of now, just before they are put in place', async () => {
    const plan = new PlanBuilder();
    const start = Date.now();
    await plan
      .files(plan.file('/srv/f', 'now', { mtime: 'now' }), plan.put('/srv/d', 'directory', { mtime: 'now' }))
      .write(file);
    await apply();
    for (const name of ['f', 'd'])
      expect(lstatSync(join(root, 'srv', name)).mtimeMs).toBeGreaterThan(start - 50);
  });

  test('keeps a directory that holds what it does not know, and says so', async () => {
    const plan = new PlanBuilder();
    await plan.files(plan.remove('/usr/share/doc/old')).write(file);
    expect((await apply()).kept).toEqual(['/usr/share/doc/old']);
    expect(existsSync(join(root, 'usr/share/doc/old/readme'))).toBe(true);
  });

  test('processes triggers with the lock free, when there are any', async () => {
    writeFileSync(join(root, 'var/lib/dpkg/triggers/Unincorp'), 'man-db app\n');
    await new PlanBuilder().triggers().write(file);
    expect((await apply()).scripts).toMatchObject([{ kind: 'triggers', skipped: false }]);
    expect(readFileSync(join(root, 'dpkg-called'), 'utf8')).toBe('--triggers-only --pending free\n');
  });

  test.each(['/var/lib/dpkg/lock', '/var/cache/apt/archives/lock'])(
    'holds %s also when it is put anew',
    async (lock) => {
      const plan = new PlanBuilder();
      const folders = ['/var/cache', '/var/cache/apt', '/var/cache/apt/archives'].map((path) =>
        plan.put(path, 'directory'),
      );
      await plan
        .files(...folders, plan.file(lock, '', { mode: 0o640 }))
        .script(['lock', lock])
        .write(file);
      // The script ends with 1 when it can't take the lock.
      await expect(apply()).rejects.toMatchObject({
        message: expect.stringContaining('exit status 1') as string,
      });
    },
  );

  test('may span mounts', async () => {
    mkdirSync(join(root, 'boot'));
    await runTool('mount', ['-t', 'tmpfs', 'tmpfs', join(root, 'boot')]);
    try {
      const plan = new PlanBuilder();
      await plan
        .files(
          plan.put('/boot/grub', 'directory'),
          plan.file('/boot/grub/cfg', 'menu'),
          plan.file('/etc/new', 'n'),
        )
        .script(['exit', '3'])
        .write(file);
      const before = snapshot(root);
      await expect(apply()).rejects.toMatchObject({ code: 'ROLLED_BACK' });
      expect(snapshot(root)).toEqual(before);
      rmSync(file);
      plan.steps.pop();
      await plan.write(file);
      await apply();
      expect(readdirSync(join(root, 'boot'))).toEqual(['grub']);
      expect(readFileSync(join(root, 'boot/grub/cfg'), 'utf8')).toBe('menu');
    } finally {
      unmount(join(root, 'boot'));
    }
  });
});

describe('a plan that does not fit', () => {
  test('is refused by another guest', async () => {
    await fullPlan(root).write(file, { machineId: 'f'.repeat(32) });
    await refuses('WRONG_GUEST', /machine id is '0123/);
  });

  test('is refused by the same guest at another moment', async () => {
    copyFileSync(agentProgram(), join(root, 'agent'));
    for (const name of ['dev', 'run']) mkdirSync(join(root, name));
    await runTool('mount', ['--bind', '/dev', join(root, 'dev')]);
    try {
      // A guest that runs, not a directory: its uptime is this machine's.
      const run = async (since: number) => {
        const guest = { banner: '', bootId: undefined, uptime: uptime() + since };
        await new PlanBuilder().files().write(file, guest);
        rmSync(join(root, 'stream'), { force: true });
        using plan = PlanReader.open(file);
        writeStream(plan, join(root, 'stream'));
        rmSync(file);
        return spawnSync('chroot', [root, '/agent', 'apply', '--stream', '/stream'], { encoding: 'utf8' })
          .stdout;
      };
      expect(await run(60)).toMatch(
        /"refused","code":"WRONG_GUEST".*is up for \d+ s, the plan is for the suspend/,
      );
      expect(await run(-660)).toMatch(/"refused","code":"WRONG_GUEST"/);
      expect(await run(-5)).toMatch(/"status":"applied"/);
    } finally {
      unmount(join(root, 'dev'));
    }
  });

  test.each([
    [
      'a content',
      /app\.conf: the content changed/,
      () => writeFileSync(join(root, 'etc/app.conf'), 'colour = bleu\n'),
    ],
    [
      'a mode',
      /app\.conf: the mode is 0600, the plan knows 0640/,
      () => chmodSync(join(root, 'etc/app.conf'), 0o600),
    ],
    ['an owner', /app\.conf: the owner is 5:33/, () => chownSync(join(root, 'etc/app.conf'), 5, 33)],
    [
      'a link',
      /\/usr\/bin\/t: the link leads elsewhere/,
      () => {
        rmSync(join(root, 'usr/bin/t'));
        symlinkSync('toot', join(root, 'usr/bin/t'));
      },
    ],
    [
      'a type',
      /\/usr\/bin\/t: there is a directory, the plan knows a symbolic link/,
      () => {
        rmSync(join(root, 'usr/bin/t'));
        mkdirSync(join(root, 'usr/bin/t'));
      },
    ],
    [
      'something new',
      /\/srv\/site: there is a file, the plan knows nothing/,
      () => writeFileSync(join(root, 'srv/site'), ''),
    ],
    [
      'something gone',
      /readme: there is nothing/,
      () => rmSync(join(root, 'usr/share/doc/old'), { recursive: true }),
    ],
    [
      'a folder that is a link',
      /readme: a directory above it is none any more/,
      () => {
        renameSync(join(root, 'usr/share'), join(root, 'usr/elsewhere'));
        symlinkSync('elsewhere', join(root, 'usr/share'));
      },
    ],
  ])('is refused for %s that moved', async (_, message, move) => {
    await fullPlan(root).write(file);
    move();
    await refuses('PLAN_STALE', message);
  });

  test('is refused at once for a file that has grown without end', async () => {
    await fullPlan(root).write(file);
    truncateSync(join(root, 'etc/app.conf'), 2 ** 43);
    await expect(apply()).rejects.toMatchObject({
      code: 'PLAN_STALE',
      message: expect.stringMatching(/app\.conf: the content changed$/) as string,
    });
  });

  test("takes rpm's lock once, where its directory has two names", async () => {
    mkdirSync(join(root, 'var/lib/rpm'));
    mkdirSync(join(root, 'usr/lib/sysimage'), { recursive: true });
    symlinkSync('../../../var/lib/rpm', join(root, 'usr/lib/sysimage/rpm'));
    writeFileSync(join(root, 'var/lib/rpm/.rpm.lock'), '');
    await new PlanBuilder().script(['lock', '/var/lib/rpm/.rpm.lock']).write(file);
    await expect(apply()).rejects.toMatchObject({
      message: expect.stringContaining('exit status 1') as string,
    });
    await new PlanBuilder().script(['show']).write(join(folder, 'free'));
    await apply(join(folder, 'free'));
  });

  test.each(['/var/lib/dpkg/lock', '/var/lib/rpm/.rpm.lock'])('is refused while %s is held', async (lock) => {
    mkdirSync(join(root, 'var/lib/rpm'));
    writeFileSync(join(root, lock), '');
    const other = spawn(join(root, 'usr/bin/dpkg'), ['lock', join(root, lock)], {
      argv0: 'probe',
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const gone = once(other, 'exit');
    try {
      await once(other.stdout, 'data');
      await fullPlan(root).write(file);
      await refuses('GUEST_BUSY', new RegExp(`^${lock}: `));
    } finally {
      other.stdin.end();
      await gone;
    }
    await apply();
  });

  test('is refused where the place for its state is behind a symbolic link', async () => {
    renameSync(join(root, 'var/lib'), join(root, 'srv/lib'));
    symlinkSync('../srv/lib', join(root, 'var/lib'));
    await fullPlan(root).write(file);
    await refuses('GUEST_UNSUPPORTED', /^\/var\/lib: it is not a directory, or lies behind a symbolic link/);
  });

  test('is refused where there is no space for it, or none to write', async () => {
    await runTool('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', join(root, 'srv')]);
    try {
      const plan = new PlanBuilder();
      await plan.files(plan.file('/srv/big', Buffer.alloc(3_000_000))).write(file);
      await refuses('DISK_FULL', /^\/srv: 4 MiB are needed, 4 MiB are free|^\/srv: \d MiB are needed/);
      await runTool('mount', ['-o', 'remount,ro', join(root, 'srv')]);
      await refuses('GUEST_UNSUPPORTED', /^\/srv: it is mounted read-only/);
    } finally {
      unmount(join(root, 'srv'));
    }
  });

  test('is refused where its own records would not fit', async () => {
    await runTool('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', join(root, 'var/lib')]);
    try {
      const plan = new PlanBuilder();
      // A long link target each: the records are large, the files are not.
      const link = (at: number) =>
        plan.put(`/srv/l${at}`, 'symlink', { mode: 0o777, target: Buffer.alloc(4000, 'x') });
      await plan.files(...Array.from({ length: 400 }, (_, at) => link(at))).write(file);
      await refuses('DISK_FULL', /^\/var\/lib: \d MiB are needed/);
    } finally {
      unmount(join(root, 'var/lib'));
    }
  });
});

describe('live actions', () => {
  test('run in their place among the files, and scripts that ran offline do not run again', async () => {
    const plan = new PlanBuilder();
    await plan
      .script(['write', '/srv/script', 'ran'], { runs: 'offline' })
      .files(plan.file('/srv/order', 'files '))
      .action(['append', 'action', '/srv/order'], { script: 0 })
      .files(plan.file('/srv/after', 'the action'))
      .write(file);
    const { steps, scripts } = await apply();
    expect(readFileSync(join(root, 'srv/order'), 'utf8')).toBe('files action');
    expect(readFileSync(join(root, 'srv/after'), 'utf8')).toBe('the action');
    expect(existsSync(join(root, 'srv/script'))).toBe(false);
    // Steps are numbered as in the plan.
    expect([steps, scripts.map(({ step, kind }) => [step, kind])]).toEqual([4, [[2, 'action']]]);
  });

  test('are refused when the program is not the one that was recorded', async () => {
    const plan = new PlanBuilder();
    await plan.action(['touch', '/srv/made'], { sha256: contentId(Buffer.from('another')) }).write(file);
    await expect(apply()).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    expect(existsSync(join(root, 'srv/made'))).toBe(false);
  });

  test('that fail take the replay back, and are told with their last words', async () => {
    const plan = new PlanBuilder();
    await plan.files(plan.file('/srv/new', 'n')).action(['exit', '4']).write(file);
    const before = snapshot(root);
    await expect(apply()).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringMatching(/app\.postinst: exit status 4: .*to standard error/) as string,
    });
    expect(snapshot(root)).toEqual(before);
  });
});

describe('a replay that is to stop at a failure', () => {
  const stop = (rest: Partial<ApplyOptions> = {}) =>
    applyPlan(file, { target: { kind: 'root', directory: root }, onFailure: 'stop', ...rest });
  const said = { output: 'to standard output\nto standard error\n' };

  test.each(['script', 'action'] as const)(
    'ends at a %s that fails, and keeps what is done',
    async (kind) => {
      const plan = new PlanBuilder();
      plan.expect(root, '/etc/app.conf').files(plan.file('/etc/app.conf', 'new\n', { mode: 0o640, gid: 33 }));
      plan.script(['touch', '/srv/first'])[kind](['exit', '3']).script(['touch', '/srv/later']);
      await plan.files(plan.file('/srv/never', '')).write(file);
      await expect(stop()).rejects.toMatchObject({
        code: 'STOPPED',
        ...said,
        message: expect.stringMatching(
          `^step 2 \\(${kind}\\) failed: .*app.postinst: exit status 3: to standard output / to standard error; ` +
            'the guest is between two states: steps 0 to 1 before it done and kept, steps 3 to 4 not done$',
        ) as string,
      });
      expect(readFileSync(join(root, 'etc/app.conf'), 'utf8')).toBe('new\n');
      expect(readdirSync(join(root, 'srv'))).toEqual(['first']);
      expect(readdirSync(join(root, 'var/lib'))).toEqual(['dpkg']);
      // What was done is there for good: a later run takes nothing back, and the plan does not fit any more.
      const { stdout } = spawnSync(agentProgram(), ['recover', '--root', root], { encoding: 'utf8' });
      expect(stdout).not.toContain('"recovered","plan"');
      await refuses('PLAN_STALE', /app\.conf: the content changed/);
    },
  );

  test('has the whole plan when nothing fails', async () => {
    await fullPlan(root).write(file);
    expect(await stop()).toMatchObject({ steps: 5 });
  });

  test('goes back all the same when it is files that can’t be put in place', async () => {
    symlinkSync('./tmp', join(root, 'srv/away'));
    const plan = fullPlan(root);
    await plan.files(plan.file('/srv/away/f', 'f')).write(file);
    const before = snapshot(root);
    await expect(stop()).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    expect(snapshot(root)).toEqual(before);
  });

  test('goes back all the same when a program is not the planned one', async () => {
    const plan = fullPlan(root);
    plan.files(plan.file('/var/lib/dpkg/info/app.postinst', 'another one', { mode: 0o755 })).script(['show']);
    await plan.write(file);
    const before = snapshot(root);
    await expect(stop()).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    expect(snapshot(root)).toEqual(before);
  });

  test('goes back all the same when it is interrupted', async () => {
    await fullPlan(root).script(['sleep']).write(file);
    const before = snapshot(root);
    const abort = new AbortController();
    const running = stop({
      signal: abort.signal,
      onEvent: (event) => {
        if (event.event === 'step' && event.step === 4) setTimeout(() => abort.abort(), 100);
      },
    });
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(snapshot(root)).toEqual(before);
  });
});

describe('a replay that fails', () => {
  /** Fails inside, and the tree is what it was. */
  async function rollsBack(message: RegExp): Promise<void> {
    const before = snapshot(root);
    await expect(apply()).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringMatching(message) as string,
    });
    expect(snapshot(root)).toEqual(before);
  }

  test('in a script gives the guest its old files back, and tells what the script said', async () => {
    const plan = fullPlan(root).script(['exit', '3']);
    await plan.write(file);
    const before = snapshot(root);
    const events: ApplyEvent[] = [];
    await expect(apply(file, undefined, (event) => events.push(event))).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringContaining('app.postinst: exit status 3') as string,
      output: 'to standard output\nto standard error\n',
    });
    expect(snapshot(root)).toEqual(before);
    expect(events).toContainEqual(
      expect.objectContaining({
        status: 'failed',
        exit: 3,
        output: 'to standard output\nto standard error\n',
      }),
    );
  });

  test('in a script that is not the planned one', async () => {
    const plan = fullPlan(root);
    plan.files(plan.file('/var/lib/dpkg/info/app.postinst', 'another one', { mode: 0o755 })).script(['show']);
    await plan.write(file);
    await rollsBack(/the script is not the one that was planned/);
  });

  test.each(['/', './'])(
    'in a file whose directory is a link to %s… leaves that place alone',
    async (place) => {
      const outside = mkdtempSync(join(folder, 'outside-'));
      symlinkSync(place === '/' ? outside : './tmp', join(root, 'srv/away'));
      const plan = fullPlan(root);
      await plan.files(plan.file('/srv/away/f', 'f')).write(file);
      await rollsBack(/^\/srv\/away\/f: its directory can't be reached/);
      expect(readdirSync(outside)).toEqual([]);
    },
  );

  test('in a directory that scripts have filled leaves their files, and says so', async () => {
    const plan = new PlanBuilder();
    await plan
      .files(plan.put('/srv/new', 'directory'))
      .script(['touch', '/srv/new/f'])
      .script(['exit', '1'])
      .write(file);
    await expect(apply()).rejects.toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringContaining('left in place: /srv/new') as string,
    });
    expect(readdirSync(join(root, 'srv/new'))).toEqual(['f']);
    expect(readdirSync(join(root, 'var/lib'))).toEqual(['dpkg']);
  });

  /** A configuration folder of the guest, of which the plan removes the files and a script the rest. */
  function makeFolder(): void {
    mkdirSync(join(root, 'etc/app.d/deep'), { recursive: true });
    writeFileSync(join(root, 'etc/app.d/deep/conf'), 'the only copy');
    writeFileSync(join(root, 'etc/app.d/link'), 'another');
    chownSync(join(root, 'etc/app.d'), 33, 34);
    chmodSync(join(root, 'etc/app.d'), 0o2770);
    chmodSync(join(root, 'etc/app.d/deep'), 0o711);
    utimesSync(join(root, 'etc/app.d/deep'), 1_500_000_000, 1_500_000_000);
    utimesSync(join(root, 'etc/app.d'), 1_500_000_000, 1_500_000_000);
  }

  test('brings files back whose directories scripts have removed', async () => {
    makeFolder();
    const plan = new PlanBuilder();
    await plan
      .files(plan.remove('/etc/app.d/deep/conf'), plan.remove('/etc/app.d/link'))
      .script(['rmdir', '/etc/app.d/deep'])
      .script(['rmdir', '/etc/app.d'])
      .script(['exit', '3'])
      .write(file);
    const before = snapshot(root).filter((line) => !line.startsWith('etc '));
    await expect(apply()).rejects.toMatchObject({ code: 'ROLLED_BACK' });
    expect(snapshot(root).filter((line) => !line.startsWith('etc '))).toEqual(before);
  });

  test('brings a directory back that it changed and a script removed', async () => {
    mkdirSync(join(root, 'srv/d'), { mode: 0o700 });
    const plan = new PlanBuilder();
    await plan
      .files(plan.put('/srv/d', 'directory', { mode: 0o777 }))
      .script(['rmdir', '/srv/d'])
      .script(['exit', '3'])
      .write(file);
    await rollsBack(/exit status 3/);
  });

  test.each(['a file', 'a link'])(
    'keeps an old file for which there is no way back, as %s is where its directory was, and tries again',
    async (what) => {
      makeFolder();
      const plan = new PlanBuilder();
      await plan
        .files(plan.remove('/etc/app.d/deep/conf'))
        .script(['rmdir', '/etc/app.d/deep'])
        .script(what === 'a file' ? ['touch', '/etc/app.d/deep'] : ['link', '../tmp', '/etc/app.d/deep'])
        .script(['exit', '3'])
        .write(file);
      const message = /^the guest could not be brought back.*\/etc\/app\.d\/deep\/conf: /;
      const stuck = { code: 'AGENT_FAILED', message: expect.stringMatching(message) as string };
      await expect(apply()).rejects.toMatchObject(stuck);
      const [state = ''] = readdirSync(join(root, 'var/lib/ouassister'));
      expect(readFileSync(join(root, 'var/lib/ouassister', state, 'b0.0'), 'utf8')).toBe('the only copy');

      rmSync(join(root, 'etc/app.d/deep'));
      const recover = spawnSync(agentProgram(), ['recover', '--root', root], { encoding: 'utf8' });
      expect(recover.status).toBe(0);
      expect(readFileSync(join(root, 'etc/app.d/deep/conf'), 'utf8')).toBe('the only copy');
      expect(readdirSync(join(root, 'var/lib'))).toEqual(['dpkg']);
    },
  );

  test('because it was told to stop, whatever the script thinks of that', async () => {
    const plan = fullPlan(root).script(['sleep']);
    await plan.write(file);
    const before = snapshot(root);
    const abort = new AbortController();
    const running = apply(file, abort.signal, (event) => {
      if (event.event === 'step' && event.step === 4) setTimeout(() => abort.abort(), 100);
    });
    await expect(running).rejects.toMatchObject({ code: 'INTERRUPTED' });
    expect(snapshot(root)).toEqual(before);
  });
});

test('a directory that is none is refused', async () => {
  await new PlanBuilder().write(file);
  const target = { kind: 'root', directory: join(folder, 'nowhere') } as const;
  await expect(applyPlan(file, { target })).rejects.toMatchObject({ code: 'FILE_MISSING' });
});
