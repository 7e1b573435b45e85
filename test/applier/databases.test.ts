import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { applyPlan, type ApplyEvent } from '../../src/applier/apply.js';
import { samplePlan } from '../plan/sample.js';
import { PlanBuilder, time } from './plans.js';
import { makeGuest, probe, snapshot } from './tree.js';

const passwd = '/etc/passwd';
const base = 'root:x:0:0::/root:/bin/sh\n';
const web = 'web:x:101:101::/:/bin/sh\n';
const database = 'db:x:102:102::/:/bin/sh\n';
const mail = 'mail:x:8:8::/:/bin/sh\n';

let folder: string;
let root: string;
let file: string;
let plan: PlanBuilder;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-databases-'));
  root = join(folder, 'guest');
  file = join(folder, 'plan');
  mkdirSync(root);
  makeGuest(root);
  writeFileSync(join(root, passwd), base);
  plan = new PlanBuilder().expect(root, passwd);
});
afterEach(() => rmSync(folder, { recursive: true }));

async function apply(onEvent?: (event: ApplyEvent) => void) {
  await plan.write(file);
  return applyPlan(file, { target: { kind: 'root', directory: root }, ...(onEvent && { onEvent }) });
}

const accounts = (from: string | undefined, to: string) => plan.database(passwd, 'accounts', from, to);
const found = () => readFileSync(join(root, passwd), 'utf8');

describe('a database that the guest has changed before a file step', () => {
  test('keeps the changes of both, over all the steps, and is told once', async () => {
    plan
      .files(accounts(base, base + web))
      .script(['append', database, passwd])
      .files(accounts(base + web, base + web + mail))
      .script(['show'])
      .files(accounts(base + web + mail, mail + web));
    const start = Date.now();
    expect(await apply()).toMatchObject({ merged: [passwd], overwritten: [] });
    expect(found()).toBe(mail + web + database);
    const { mode, mtimeMs } = lstatSync(join(root, passwd));
    expect(mode & 0o7777).toBe(0o644);
    // The planned time is that of another content.
    expect(mtimeMs).toBeGreaterThan(start - 50);
  });

  test('is put as planned, with its time, when the guest has changed nothing or the same', async () => {
    const planned = plan.database(passwd, 'accounts', base, base + web, { mtime: time(5, 6) });
    plan.script(['append', web, passwd]).files(planned);
    expect(await apply()).toMatchObject({ merged: [], overwritten: [] });
    expect([found(), lstatSync(join(root, passwd), { bigint: true }).mtimeNs]).toEqual([
      base + web,
      5_000_000_006n,
    ]);
  });

  test('is what the guest made of it when the plan only changes its mode', async () => {
    // No other format would take it, and none has to.
    plan
      .script(['append', 'what\n\n', passwd])
      .files(plan.database(passwd, 'accounts', base, base, { mode: 0o600 }));
    expect(await apply()).toMatchObject({ merged: [passwd] });
    expect(found()).toBe(`${base}what\n\n`);
    expect(lstatSync(join(root, passwd)).mode & 0o7777).toBe(0o600);
  });

  test('has the changes of both also when both have made it', async () => {
    rmSync(join(root, passwd));
    plan = new PlanBuilder().absent(passwd);
    plan.script(['write', passwd, database]).files(accounts(undefined, web));
    expect(await apply()).toMatchObject({ merged: [passwd] });
    expect(found()).toBe(database + web);
  });

  test('is made by the plan when nothing is there', async () => {
    rmSync(join(root, passwd));
    plan = new PlanBuilder().absent(passwd);
    plan.files(accounts(undefined, web));
    expect(await apply()).toMatchObject({ merged: [] });
    expect(found()).toBe(web);
  });

  test('goes when the plan removes it and the guest has not changed it', async () => {
    plan.files(plan.removeDatabase(passwd, 'accounts', base), accounts(undefined, web));
    await apply();
    expect(found()).toBe(web);
  });

  test('is told as overwritten by a change that does not merge', async () => {
    plan
      .script(['append', database, passwd])
      .files(accounts(base, base + web))
      .files(plan.file(passwd, base));
    expect(await apply()).toMatchObject({ merged: [passwd], overwritten: [passwd] });
    expect(found()).toBe(base);
  });
});

describe('the day of a password’s last change', () => {
  const shadow = '/etc/shadow';
  const day = (milliseconds: number) => Math.floor(milliseconds / 86_400_000);
  const planned = day(Date.parse(samplePlan.header.createdAt));
  // The agent may have begun on the day before.
  const today = () => [day(Date.now()), day(Date.now() - 60_000)].map(String);
  const shadowBase = 'root:*:19000:0:99999:7:::\n';
  const webOf = (since: number | string, password = '!') => `web:${password}:${since}::::::\n`;
  const change = (from: string, to: string) => plan.database(shadow, 'shadow', from, to);
  const text = () => readFileSync(join(root, shadow), 'utf8');
  beforeEach(() => {
    writeFileSync(join(root, shadow), shadowBase);
    plan = new PlanBuilder().expect(root, shadow);
  });

  test('is today in the guest where it was today for the plan, in each step', async () => {
    plan
      .files(change(shadowBase, shadowBase + webOf(planned)))
      .script(['show'])
      .files(change(shadowBase + webOf(planned), shadowBase + webOf(planned + 1, '*')));
    expect(await apply()).toMatchObject({ merged: [], overwritten: [] });
    expect(today().map((each) => shadowBase + webOf(each, '*'))).toContain(text());
  });

  test('is so in what is merged', async () => {
    const own = `db:!:${planned - 1}::::::\n`;
    plan.script(['append', own, shadow]).files(change(shadowBase, shadowBase + webOf(planned)));
    expect(await apply()).toMatchObject({ merged: [shadow] });
    expect(today().map((each) => shadowBase + own + webOf(each))).toContain(text());
  });

  test('stays where it is older, or something else', async () => {
    const odd = `old:!:${planned - 1}::::::\n\nadm:*:${planned}:${planned}\nbin:!:${planned}x::::::\n`;
    plan.files(change(shadowBase, shadowBase + odd));
    await apply();
    expect(text()).toBe(shadowBase + odd);
  });
});

describe('a conflict', () => {
  /** Ends the replay, and the tree is as the guest had it before the plan. */
  async function refuses(message: RegExp, ...unless: string[]): Promise<void> {
    // What scripts did is not undone, but where the plan had changed it before.
    const others = () => snapshot(root).filter((line) => !unless.some((path) => line.startsWith(path)));
    const before = others();
    await expect(apply()).rejects.toMatchObject({
      code: 'MERGE_CONFLICT',
      exitStatus: 5,
      message: expect.stringMatching(message) as string,
    });
    expect(others()).toEqual(before);
  }

  test('of a record is told by its name, and the plan is taken back', async () => {
    plan
      .files(accounts(base, base + web), plan.file('/srv/new', ''))
      .script(['write', passwd, base + web.replace('sh', 'zsh')])
      .files(accounts(base + web, base + web.replace('sh', 'dash')));
    await refuses(/^\/etc\/passwd: record 'web': the plan and the guest have both changed it; .* 1 script/);
  });

  test('of a uid that both have given out', async () => {
    plan
      .files(plan.file('/srv/new', ''))
      .script(['append', database.replaceAll('102', '101'), passwd])
      .files(accounts(base, base + web));
    await refuses(/^\/etc\/passwd: record 'web': its number was given to another one/, 'etc/passwd');
    expect(found()).toBe(base + database.replaceAll('102', '101'));
  });

  test.each<[string, readonly string[], RegExp]>([
    [
      'is not of its format',
      ['append', '\n\n', passwd],
      /^\/etc\/passwd: as the guest has it: it has an empty line/,
    ],
    ['is a link', ['link', 'app.conf', passwd], /^\/etc\/passwd: it is no regular file any more/],
    ['is gone', ['rename', passwd, '/etc/away'], /^\/etc\/passwd: the guest has removed it/],
  ])('of what %s now', async (_, script, message) => {
    plan.files(accounts(base, base + web));
    if (script[0] === 'link') plan.script(['rename', passwd, '/etc/away']);
    plan.script(script).files(accounts(base + web, base));
    await refuses(message, 'etc');
    expect(found()).toBe(base);
  });

  test('of what is too large', async () => {
    plan.script(['grow', passwd]).files(accounts(base, base + web));
    await refuses(/^\/etc\/passwd: it is too large to be merged/, 'etc/passwd');
    truncateSync(join(root, passwd), base.length);
    expect(found()).toBe(base);
  });

  test('of what the plan removes and the guest has changed', async () => {
    plan.script(['append', web, passwd]).files(plan.removeDatabase(passwd, 'accounts', base));
    await refuses(/^\/etc\/passwd: the plan removes it, and the guest has changed it/, 'etc/passwd');
    expect(found()).toBe(base + web);
  });
});

test('waits for who changes accounts, and then has the changes of both', async () => {
  const lock = join(root, 'etc/.pwd.lock');
  const program = join(folder, 'probe');
  writeFileSync(lock, '');
  writeFileSync(program, probe());
  chmodSync(program, 0o755);
  const other = spawn(program, ['lock', lock], { stdio: ['pipe', 'pipe', 'inherit'] });
  const gone = once(other, 'exit');
  await once(other.stdout, 'data');
  const events: ApplyEvent[] = [];
  plan.script(['show']).files(accounts(base, base + web));
  const applied = apply((event) => {
    events.push(event);
    if (event.event !== 'step' || event.kind !== 'script') return;
    // The agent is at the lock by then or soon; what it must not do is go on without it.
    setTimeout(() => {
      expect(events.at(-1)).toBe(event);
      writeFileSync(join(root, passwd), base + database);
      other.stdin.end();
    }, 300);
  });
  expect(await applied).toMatchObject({ merged: [passwd] });
  await gone;
  expect(found()).toBe(base + database + web);
});
