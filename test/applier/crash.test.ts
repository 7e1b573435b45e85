import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { parseAgentLine } from '../../src/applier/report.js';
import { writeStream } from '../../src/applier/stream.js';
import { runTool } from '../../src/base/command.js';
import { PlanReader } from '../../src/plan/reader.js';
import { unmount } from '../../src/native/mounts.js';
import { agentProgram } from '../../src/transport/agent-program.js';
import type { MergeFormat } from '../../src/plan/model.js';
import { fullPlan, PlanBuilder } from './plans.js';
import { makeGuest, probe, snapshot } from './tree.js';

let folder: string;
let root: string;
let stream: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-crash-'));
  root = join(folder, 'guest');
  stream = join(folder, 'stream');
  mkdirSync(root);
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A plan of a few hundred changes of every kind, in steps with scripts between, on two mounts. */
async function layOut(): Promise<void> {
  const plan = fullPlan(root);
  for (let step = 0; step < 4; step++) {
    const changes = Array.from({ length: 60 }, (_, at) => {
      const path = `/usr/share/doc/f${at}`;
      return step === 2 && at % 3 === 0
        ? plan.remove(path)
        : plan.file(path, `${step} ${at}`.repeat(200), {
            mode: 0o600 + step,
            mtime: { seconds: step, nanoseconds: at },
          });
    });
    plan
      .files(
        plan.put('/boot/grub', 'directory', { mode: 0o700 + step, mtime: { seconds: 9, nanoseconds: step } }),
        plan.file('/boot/grub/cfg', `menu ${step}`),
        plan.link(`/boot/link${step}`, '/boot/grub/cfg'),
        plan.database('/etc/db', 'shadow', step > 0 ? `a:${step - 1}\n` : undefined, `a:${step}\n`),
        ...changes,
      )
      .script(['show']);
  }
  await plan.write(join(folder, 'plan'));
  using reader = PlanReader.open(join(folder, 'plan'));
  writeStream(reader, stream);
}

const apply = ['apply', '--stream'];
const argumentsOf = (command: readonly string[]) =>
  [...command, ...(command === apply ? [stream] : []), '--root', root] as const;

function run(command: readonly string[]): { status: number | null; last: string } {
  const { status, stdout } = spawnSync(agentProgram(), argumentsOf(command), { encoding: 'utf8' });
  const end = parseAgentLine(stdout.trimEnd().split('\n').pop() ?? '');
  return { status, last: end.event === 'end' ? end.status : end.event };
}

/** Kills the agent a moment after it has said so many lines, unless it is faster. */
async function kill(command: readonly string[], lines: number, afterMs: number): Promise<void> {
  const agent = spawn(agentProgram(), argumentsOf(command), { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(agent, 'close');
  const said = (async () => {
    let seen = 0;
    for await (const chunk of agent.stdout) {
      seen += String(chunk).split('\n').length - 1;
      if (seen >= lines) break;
    }
    await sleep(afterMs);
  })();
  if (lines > 0) await Promise.race([gone, said]);
  else await Promise.race([gone, sleep(afterMs)]);
  agent.kill('SIGKILL');
  await gone;
}

test('killed at any moment, also while it recovers, the agent leaves the old tree or the new one', async () => {
  const outcomes = new Set<string>();
  let after: string[] = [];
  let durationMs = 0;
  /** The guest as it was, with a mount of its own for as long as it is needed. */
  const reset = async (): Promise<Disposable & { readonly before: string[] }> => {
    rmSync(root, { recursive: true });
    mkdirSync(join(root, 'boot'), { recursive: true });
    makeGuest(root);
    await runTool('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', join(root, 'boot')]);
    return { before: snapshot(root), [Symbol.dispose]: () => unmount(join(root, 'boot')) };
  };
  for (let round = 0; round < 25; round++) {
    using guest = await reset();
    if (round === 0) {
      await layOut();
      const started = performance.now();
      expect(run(apply)).toEqual({ status: 0, last: 'applied' });
      durationMs = performance.now() - started;
      after = snapshot(root);
    } else {
      // Early, where most of the time goes, or just after one of the 15 lines that it says.
      const lines = round % 4 === 0 ? 0 : 1 + Math.floor(Math.random() * 15);
      await kill(apply, lines, lines === 0 ? Math.random() * durationMs : Math.random() * 4);
      for (let times = round % 4; times > 0; times--) await kill(['recover'], 0, Math.random() * 30);
      expect(run(['recover'])).toEqual({ status: 0, last: 'recovered' });
      const found = withoutNow(snapshot(root));
      const outcome = found.join() === withoutNow(after).join() ? 'new' : 'old';
      expect(found).toEqual(withoutNow(outcome === 'new' ? after : guest.before));
      outcomes.add(outcome);
      if (outcome === 'old') expect(run(apply)).toEqual({ status: 0, last: 'applied' });
      expect(withoutNow(snapshot(root))).toEqual(withoutNow(after));
    }
  }
  expect(outcomes).toContain('old');
});

/** Applies a plan that ends with a script that does not, and kills the agent there. */
async function cutOff(plan: PlanBuilder): Promise<void> {
  using reader = PlanReader.open(await plan.script(['sleep', '60']).write(join(folder, 'plan')));
  writeStream(reader, stream);
  // It says: check, stage, and each of the steps.
  const agent = spawn(agentProgram(), argumentsOf(apply), { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = once(agent, 'close');
  let said = '';
  for await (const chunk of agent.stdout) {
    said += String(chunk);
    if (said.includes('"kind":"files"')) break;
  }
  agent.kill('SIGKILL');
  await gone;
  // The script, if it has begun: a power cut would have ended it, too.
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name)))
    if (rootOf(pid) === root) process.kill(Number(pid), 'SIGKILL');
}

function rootOf(pid: string): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/root`);
  } catch {
    return undefined;
  }
}

test('of a mount in memory that the guest has not any more after a power cut nothing is brought back, and the rest is', async () => {
  mkdirSync(join(root, 'run'));
  makeGuest(root);
  const before = withoutNow(snapshot(root));
  await runTool('mount', ['-t', 'tmpfs', 'tmpfs', join(root, 'run')]);
  writeFileSync(join(root, 'run/old'), 'old');
  const plan = new PlanBuilder().expect(root, '/etc/app.conf', '/run/old', '/run/new');
  plan.files(
    plan.file('/etc/app.conf', 'colour = red\n'),
    plan.file('/run/old', 'changed'),
    plan.file('/run/new', 'new'),
  );
  await cutOff(plan);
  expect(readFileSync(join(root, 'run/new'), 'utf8')).toBe('new');
  unmount(join(root, 'run'));
  // What is there now was never the plan's.
  writeFileSync(join(root, 'run/new'), 'of this boot');
  expect(run(['recover'])).toEqual({ status: 0, last: 'recovered' });
  expect(readFileSync(join(root, 'run/new'), 'utf8')).toBe('of this boot');
  rmSync(join(root, 'run/new'));
  expect(withoutNow(snapshot(root))).toEqual(before);
});

test('a mount on a disk that is not there is waited for: what it has is not given up', async () => {
  const disk = join(folder, 'disk');
  await runTool('mke2fs', ['-q', '-t', 'ext4', disk, '16M']);
  mkdirSync(join(root, 'boot'));
  makeGuest(root);
  const mount = () => runTool('mount', ['-o', 'loop', disk, join(root, 'boot')]);
  await mount();
  writeFileSync(join(root, 'boot/kernel'), 'old');
  const before = withoutNow(snapshot(root));
  const plan = new PlanBuilder().expect(root, '/boot/kernel');
  plan.files(plan.file('/boot/kernel', 'new'));
  await cutOff(plan);
  unmount(join(root, 'boot'));
  expect(run(['recover'])).toEqual({ status: 12, last: 'refused' });
  await mount();
  try {
    expect(readFileSync(join(root, 'boot/kernel'), 'utf8')).toBe('new');
    expect(run(['recover'])).toEqual({ status: 0, last: 'recovered' });
    expect(withoutNow(snapshot(root))).toEqual(before);
  } finally {
    unmount(join(root, 'boot'));
  }
});

describe('killed while it merges what the guest has changed, the agent leaves the old tree or the new one', () => {
  const names = Array.from({ length: 20 }, (_, at) => `/etc/db${at}`);
  const isMerged = (name: string) => readFileSync(join(root, name), 'utf8') === `${name} 3\nlive 1\n`;

  /**
   * A guest with databases, and a stream that changes them twice; in between a script does. Returns the tree.
   *
   * @param middle format of the one in the middle of the last step
   */
  async function prepare(middle: MergeFormat): Promise<string[]> {
    rmSync(root, { recursive: true });
    mkdirSync(root);
    makeGuest(root);
    writeFileSync(join(root, 'etc/.pwd.lock'), '');
    for (const name of names) writeFileSync(join(root, name), `${name} 1\n`);
    const plan = new PlanBuilder().expect(root, ...names);
    const put = (from: number, to: number) =>
      names.map((name, at) =>
        plan.database(
          name,
          at === 10 && from === 2 ? middle : 'triggers',
          `${name} ${from}\n`,
          `${name} ${to}\n`,
        ),
      );
    plan
      .files(...put(1, 2))
      .script(['append', 'live 1\n', ...names])
      .files(...put(2, 3));
    for (const path of [join(folder, 'plan'), stream]) rmSync(path, { force: true });
    using reader = PlanReader.open(await plan.write(join(folder, 'plan')));
    writeStream(reader, stream);
    return withoutNow(snapshot(root));
  }

  test('at any moment', async () => {
    const outcomes = new Set<string>();
    let durationMs = 0;
    for (let round = 0; round < 10; round++) {
      const before = await prepare('triggers');
      if (round === 0) {
        const started = performance.now();
        expect(run(apply)).toEqual({ status: 0, last: 'applied' });
        durationMs = (performance.now() - started) / 2;
      } else {
        // Once the script is done: one that outlives the agent would write into the tree that was brought back.
        await kill(apply, 4, Math.random() * durationMs);
        if (round % 3 === 0) await kill(['recover'], 0, Math.random() * 20);
        expect(run(['recover'])).toEqual({ status: 0, last: 'recovered' });
      }
      const whole = names.every(isMerged);
      outcomes.add(whole ? 'new' : 'old');
      if (!whole) expect(withoutNow(snapshot(root))).toEqual(before);
      expect(readdirSync(join(root, 'var/lib'))).toEqual(['dpkg']);
    }
    expect(outcomes).toContain('new');
  });

  test('half way', async () => {
    const before = await prepare('shadow');
    const program = join(folder, 'probe');
    writeFileSync(program, probe(), { mode: 0o755 });
    const holder = spawn(program, ['lock', join(root, 'etc/.pwd.lock')], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const [released] = [once(holder, 'exit'), await once(holder.stdout, 'data')];
    const agent = spawn(agentProgram(), argumentsOf(apply), { stdio: ['ignore', 'ignore', 'inherit'] });
    const gone = once(agent, 'close');
    // The next one needs the lock.
    while (!isMerged(names[9]!)) await sleep(5);
    agent.kill('SIGKILL');
    await gone;
    holder.stdin.end();
    await released;
    expect(run(['recover'])).toEqual({ status: 0, last: 'recovered' });
    expect(withoutNow(snapshot(root))).toEqual(before);
  });
});

test('killed at any moment of a replay that stops at a failure, the agent leaves the old tree or the one it stopped at', async () => {
  const outcomes = new Set<string>();
  let stopped: string[] = [];
  for (let round = 0; round < 10; round++) {
    rmSync(root, { recursive: true, force: true });
    mkdirSync(root);
    makeGuest(root);
    const before = withoutNow(snapshot(root));
    if (round === 0) {
      const plan = fullPlan(root).script(['exit', '3']);
      plan.files(plan.file('/srv/site/page', 'never'));
      using reader = PlanReader.open(await plan.write(join(folder, 'plan')));
      writeStream(reader, stream, 'stop');
      expect(run(apply)).toEqual({ status: 13, last: 'stopped' });
      stopped = withoutNow(snapshot(root));
      continue;
    }
    // It says: check, stage, five steps, the failed one, stop, end.
    await kill(apply, round < 5 ? round * 2 : 8 + (round % 2), Math.random() * 3);
    if (round % 3 === 0) await kill(['recover'], 0, Math.random() * 20);
    expect(run(['recover'])).toEqual({ status: 0, last: 'recovered' });
    const found = withoutNow(snapshot(root));
    const outcome = found.join() === stopped.join() ? 'stopped' : 'old';
    expect(found).toEqual(outcome === 'stopped' ? stopped : before);
    outcomes.add(outcome);
  }
  expect(outcomes).toEqual(new Set(['old', 'stopped']));
});

/**
 * Where the agent keeps its state while it works: it gives these directories their times back right after it has made or
 * removed that, and a kill may fall in between.
 */
const hosts = /^(var\/lib|boot) /;

/** Directories into which a replay puts names have the time of the replay: left out of the comparison. */
function withoutNow(lines: readonly string[]): string[] {
  const recent = (Date.now() - 3_600_000) * 1e6;
  return lines.map((line) =>
    line
      .split(' ')
      .map((word, at) => (at === 5 && (hosts.test(line) || Number(word) > recent) ? 'now' : word))
      .join(' '),
  );
}

test('a stream that is cut off or flipped never crashes the agent, nor makes it reach outside', async () => {
  mkdirSync(join(root, 'boot'), { recursive: true });
  makeGuest(root);
  await layOut();
  const whole = readFileSync(stream);
  const records = 64 + Number(whole.readBigUInt64LE(16));
  const outside = readdirSync('/').sort();
  const flip = fc.record({ at: fc.nat(records - 1), bits: fc.integer({ min: 1, max: 255 }) });
  const mutation = fc.oneof(
    fc.array(flip, { minLength: 1, maxLength: 4 }).map((flips) => {
      const copy = Buffer.from(whole);
      for (const { at, bits } of flips) copy.writeUInt8(copy.readUInt8(at) ^ bits, at);
      return copy;
    }),
    fc.nat(whole.length - 1).map((length) => whole.subarray(0, length)),
  );
  fc.assert(
    fc.property(mutation, (bytes) => {
      writeFileSync(stream, bytes);
      const { status, signal } = spawnSync(agentProgram(), argumentsOf(apply));
      expect([signal, status]).toEqual([null, expect.any(Number)]);
      expect([0, 10, 11, 12, 13]).toContain(status);
    }),
    { numRuns: 250 },
  );
  expect(readdirSync('/').sort()).toEqual(outside);
});

test('what is no stream, or one of another version, is refused', () => {
  makeGuest(root);
  const before = snapshot(root);
  const header = Buffer.alloc(64);
  header.write('OUAplay\n');
  header.writeUInt32LE(2, 8);
  for (const bytes of [Buffer.alloc(0), Buffer.alloc(4096), header]) {
    writeFileSync(stream, bytes);
    expect(run(apply)).toEqual({ status: 10, last: 'refused' });
  }
  expect(snapshot(root)).toEqual(before);
});
