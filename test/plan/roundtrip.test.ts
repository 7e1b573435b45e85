import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import type { AuditEvent } from '../../src/plan/audit-event.js';
import {
  conffileChoices,
  conffileDeciders,
  scriptKinds,
  terminalStreams,
  type ConffileDecision,
  type DebconfQuestion,
  type FileChange,
  type FileState,
  type Merge,
  type Precondition,
  type Step,
} from '../../src/plan/model.js';
import { PlanReader } from '../../src/plan/reader.js';
import { PlanWriter } from '../../src/plan/writer.js';
import { contentId, readPlan, refusal, samplePlan, writePlan, type PlanData } from './sample.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oua-plan-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const bytes = fc.uint8Array({ maxLength: 40 }).map((value) => Buffer.from(value));
const path = bytes.map((value) => Buffer.concat([Buffer.from('/'), value]));
const owner = { mode: fc.nat(0o7777), uid: fc.nat(0xffffffff), gid: fc.nat(0xffffffff) };
const contents = fc.uniqueArray(bytes, { minLength: 1, maxLength: 5, selector: contentId });

function state(stored: readonly Buffer[]): fc.Arbitrary<FileState> {
  const common = {
    ...owner,
    mtime: fc.oneof(
      fc.constant('now' as const),
      fc.record({ seconds: fc.maxSafeInteger(), nanoseconds: fc.nat(999_999_999) }),
    ),
    xattrs: fc
      .uniqueArray(fc.tuple(fc.string(), bytes), { maxLength: 3, selector: ([name]) => name })
      .map((list) => list.sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))),
  };
  const content = fc.constantFrom(...stored);
  return fc.oneof(
    fc.record({ type: fc.constant('file' as const), ...common, content }).map((value) => ({
      ...value,
      content: contentId(value.content),
      size: value.content.length,
    })),
    fc.record({ type: fc.constantFrom('directory' as const, 'fifo' as const, 'socket' as const), ...common }),
    fc.record({ type: fc.constant('symlink' as const), ...common, target: bytes }),
    fc.record({
      type: fc.constantFrom('char' as const, 'block' as const),
      ...common,
      device: fc.record({ major: fc.nat(), minor: fc.nat() }),
    }),
  );
}

function merge(stored: readonly Buffer[]): fc.Arbitrary<Merge | undefined> {
  const base = fc.option(fc.constantFrom(...stored.map(contentId)), { nil: undefined });
  const format = fc.constantFrom('accounts' as const, 'status' as const, 'alternatives' as const);
  return fc.option(
    fc.record({ format, base }).map(({ format, base }) => ({ format, ...(base !== undefined && { base }) })),
    { nil: undefined },
  );
}

function step(stored: readonly Buffer[], commands: number): fc.Arbitrary<Step> {
  const change: fc.Arbitrary<FileChange> = fc.oneof(
    fc
      .record({ action: fc.constant('put' as const), path, state: state(stored), merge: merge(stored) })
      .map(({ merge: by, ...put }) => (by && put.state.type === 'file' ? { ...put, merge: by } : put)),
    fc.record({ action: fc.constant('link' as const), path, to: path }),
    fc
      .record({ action: fc.constant('remove' as const), path, merge: merge(stored) })
      .map(({ merge: by, ...remove }) => (by ? { ...remove, merge: by } : remove)),
  );
  const call = fc.record({
    kind: fc.constantFrom(...scriptKinds),
    package: fc.string(),
    path: bytes,
    content: fc.constantFrom(...stored.map(contentId)),
    argv: fc.array(bytes),
    environment: fc.array(bytes),
    cwd: bytes,
    command: fc.nat(commands - 1),
    runs: fc.constantFrom('offline' as const, 'replay' as const),
  });
  const interpreted = fc
    .tuple(call, bytes, fc.integer({ min: 1, max: 0xffff }), fc.constantFrom(...stored.map(contentId)))
    .map(([plain, program, argument, input]) => ({
      ...plain,
      ...{ interpreter: { sha256: contentId(program), argument }, input },
    }));
  const action = fc.record({
    rule: fc.string(),
    path,
    sha256: fc.constantFrom(...stored.map(contentId)),
    argv: fc.array(bytes),
    environment: fc.array(bytes),
    cwd: bytes,
    command: fc.nat(commands - 1),
    script: fc.constant(undefined),
  });
  const onTerminal = fc
    .tuple(action, fc.constantFrom(...terminalStreams))
    .map(([plain, terminal]) => ({ ...plain, terminal }));
  return fc.oneof(
    fc.record({ kind: fc.constant('files' as const), changes: fc.array(change, { maxLength: 8 }) }),
    fc.record({ kind: fc.constant('script' as const), call: fc.oneof(call, interpreted) }),
    fc.record({ kind: fc.constant('action' as const), action: fc.oneof(action, onTerminal) }),
    fc.constant({ kind: 'triggers' as const }),
  );
}

/** Files get what the steps before theirs print. */
function withOutputs(steps: readonly Step[]): Step[] {
  return steps.map((step, number) =>
    step.kind !== 'files' || number === 0
      ? step
      : {
          kind: 'files',
          changes: step.changes.map((change) =>
            change.action === 'put' && change.state.type === 'file' && !change.merge
              ? { ...change, outputs: steps.slice(0, number).map((_, at) => ({ offset: at * 5, step: at })) }
              : change,
          ),
        },
  );
}

const precondition: fc.Arbitrary<Precondition> = fc.oneof(
  fc.constant({ type: 'absent' as const }),
  fc.record({ type: fc.constant('directory' as const), ...owner }),
  fc
    .record({ type: fc.constant('file' as const), ...owner, content: bytes })
    .map((state) => ({ ...state, content: contentId(state.content), size: state.content.length })),
  fc.record({ type: fc.constant('symlink' as const), ...owner, target: bytes }),
);

const doer = {
  command: fc.nat(samplePlan.commands.length - 1),
  pid: fc.nat(),
};
const auditEvent: fc.Arbitrary<AuditEvent> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('create' as const, 'rename' as const, 'owner' as const, 'truncate' as const),
    ...doer,
    path: bytes,
    other: bytes,
    mode: fc.nat(0o177777),
    uid: fc.nat(0xffffffff),
    size: fc.maxSafeInteger(),
  }),
  fc.record({ kind: fc.constant('exec' as const), ...doer, package: fc.string(), execution: fc.nat(1) }),
  fc.record({
    kind: fc.constantFrom('connect' as const, 'bind' as const),
    ...doer,
    family: fc.string(),
    host: fc.string(),
    port: fc.nat(65535),
    errno: fc.nat(133),
  }),
  fc.record({ kind: fc.constant('effect' as const), ...doer, call: fc.string(), errno: fc.nat(133) }),
  fc.record({
    ...{ kind: fc.constant('netlink' as const), ...doer, call: fc.string() },
    ...{ message: fc.nat(0xffff), errno: fc.nat(133) },
  }),
);

const digest = bytes.map(contentId);
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const word = fc.string({ unit: 'binary' });
const conffile: fc.Arbitrary<ConffileDecision> = fc
  .record({
    ...{ path, package: maybe(word), by: fc.constantFrom(...conffileDeciders) },
    ...{ decision: fc.constantFrom(...conffileChoices), admin: maybe(digest), offered: digest, beside: path },
  })
  .chain((each) =>
    each.decision === 'keep' ? fc.constant(each) : maybe(path).map((beside) => ({ ...each, beside })),
  );
const debconfQuestion: fc.Arbitrary<DebconfQuestion> = fc
  .record({
    ...{ name: word, type: maybe(fc.constantFrom('string', 'boolean', 'password')), value: maybe(word) },
    ...{ withheld: fc.boolean(), seen: fc.boolean(), owners: fc.array(word, { maxLength: 3 }) },
  })
  .map((each) => {
    const withheld = each.withheld || each.type === 'password';
    return { ...each, withheld, value: withheld ? undefined : each.value };
  });

const plan: fc.Arbitrary<PlanData> = contents.chain((stored) =>
  fc.record({
    header: fc.constant(samplePlan.header),
    commands: fc.constant(samplePlan.commands),
    packages: fc.constant(samplePlan.packages),
    contents: fc.constant(stored),
    steps: fc.array(step(stored, samplePlan.commands.length), { maxLength: 6 }).map(withOutputs),
    preconditions: fc
      .uniqueArray(fc.tuple(path, precondition), { maxLength: 5, selector: ([at]) => at.toString('hex') })
      .map((list) => list.sort(([a], [b]) => Buffer.compare(a, b))),
    executions: fc.constant(samplePlan.executions),
    procReads: fc.constant(samplePlan.procReads),
    signals: fc.array(
      fc.record({
        command: fc.nat(samplePlan.commands.length - 1),
        afterStep: fc.constant(undefined),
        pid: fc.nat(),
        signal: fc.integer({ min: 1, max: 64 }),
        target: fc.integer({ min: 1, max: 4 << 20 }),
        targetComm: fc.string({ unit: 'binary' }),
      }),
      { maxLength: 3 },
    ),
    auditEvents: fc.array(auditEvent, { maxLength: 5 }),
    conffiles: fc.array(conffile, { maxLength: 3 }),
    debconfQuestions: fc.uniqueArray(debconfQuestion, { maxLength: 3, selector: ({ name }) => name }),
    notes: fc.array(fc.record({ code: fc.string(), text: fc.string({ unit: 'binary' }) }), { maxLength: 3 }),
  }),
);

describe('a plan', () => {
  test('comes back as it was written', async () => {
    const file = join(folder, 'sample');
    const digest = await writePlan(file, samplePlan);
    using reader = PlanReader.open(file);
    expect(readPlan(reader, samplePlan.contents)).toEqual(samplePlan);
    expect(reader.digest).toBe(digest);
    expect(reader.summary()).toEqual({
      commands: 2,
      packages: 3,
      steps: 8,
      changes: 12,
      scripts: 3,
      preconditions: 3,
      executions: 2,
      contents: 7,
      contentBytes: 5089,
    });
  });

  test('comes back whatever it holds', async () => {
    let number = 0;
    await fc.assert(
      fc.asyncProperty(plan, async (data) => {
        const file = join(folder, String(number++));
        await writePlan(file, data);
        using reader = PlanReader.open(file);
        expect(readPlan(reader, data.contents)).toEqual(data);
      }),
      { numRuns: 60 },
    );
  });

  test('has the same digest when it says the same', async () => {
    const first = await writePlan(join(folder, 'a'), samplePlan);
    const second = await writePlan(join(folder, 'b'), samplePlan);
    const other = await writePlan(join(folder, 'c'), { ...samplePlan, notes: [] });
    expect(second).toBe(first);
    expect(other).not.toBe(first);
  });

  test('is one file that only its owner can read', async () => {
    await writePlan(join(folder, 'plan'), samplePlan);
    expect(readdirSync(folder)).toEqual(['plan']);
    expect(statSync(join(folder, 'plan')).mode & 0o777).toBe(0o600);
  });

  test('keeps contents bigger than a chunk, compressed when that helps', async () => {
    const size = 5 * (1 << 20) + 17;
    const dull = Buffer.alloc(size, 'dull');
    const noise = Buffer.from(Array.from({ length: size }, (_, at) => (at * 2654435761) >>> (at % 23)));
    const file = join(folder, 'plan');
    await writePlan(file, { ...samplePlan, contents: [...samplePlan.contents, dull, noise] });
    using reader = PlanReader.open(file);
    expect(reader.content(contentId(dull)).equals(dull)).toBe(true);
    expect(reader.content(contentId(noise)).equals(noise)).toBe(true);
    expect(statSync(file).size).toBeLessThan(1.5 * size);
  });

  test('takes a content in pieces of any size, once', async () => {
    const content = Buffer.alloc(3_000_000, 'piece by piece');
    const file = join(folder, 'plan');
    await using writer = PlanWriter.create(file, samplePlan.header);
    const pieces = function* () {
      for (let at = 0; at < content.length; at += 70_001) yield content.subarray(at, at + 70_001);
    };
    await writer.putContent(contentId(content), pieces(), content.length);
    await writer.putContent(contentId(content), [Buffer.from('not read again')], content.length);
    expect(writer.hasContent(contentId(content))).toBe(true);
    writer.finish();
    using reader = PlanReader.open(file);
    expect(reader.content(contentId(content)).equals(content)).toBe(true);
  });
});

describe('a writer', () => {
  test('leaves nothing of a plan that is not finished', async () => {
    {
      await using writer = PlanWriter.create(join(folder, 'plan'), samplePlan.header);
      writer.note({ code: 'NEVER', text: 'read' });
    }
    expect(readdirSync(folder)).toEqual([]);
  });

  test('replaces its steps, and what names one names it in its new place', async () => {
    // The old numbers in their new order, behind a step of its own.
    const order = [4, 5, 0, 1, 2, 3, 6];
    const places = samplePlan.steps.map((_, number) => order.indexOf(number) + 1);
    const moved = order.map((number): Step => {
      const step = samplePlan.steps[number]!;
      if (step.kind !== 'action') return step;
      return { kind: 'action', action: { ...step.action, script: places[step.action.script!] } };
    });
    const expected: PlanData = {
      ...samplePlan,
      steps: [{ kind: 'triggers' }, ...moved],
      signals: samplePlan.signals.map((sent) => ({
        ...sent,
        afterStep: sent.afterStep === undefined ? undefined : places[sent.afterStep],
      })),
      auditEvents: samplePlan.auditEvents.map((event) =>
        event.step === undefined ? event : { ...event, step: places[event.step]! },
      ),
    };
    const file = join(folder, 'plan');
    const digest = await writePlan(file, samplePlan, (writer) => writer.replaceSteps(expected.steps, places));
    using reader = PlanReader.open(file);
    expect(readPlan(reader, samplePlan.contents)).toEqual(expected);
    expect(await writePlan(join(folder, 'other'), expected)).toBe(digest);
  });

  test('refuses a content that is not what it is called', async () => {
    await using writer = PlanWriter.create(join(folder, 'plan'), samplePlan.header);
    const content = Buffer.from('one');
    await expect(writer.putContent(contentId(content), Buffer.from('two'), 3)).rejects.toMatchObject({
      code: 'TRACE_FAILED',
    });
  });

  test('refuses to overwrite, and to write where there is no directory', async () => {
    await writePlan(join(folder, 'plan'), samplePlan);
    expect(refusal(() => PlanWriter.create(join(folder, 'plan'), samplePlan.header))).toBe('FILE_EXISTS');
    expect(refusal(() => PlanWriter.create(join(folder, 'no', 'plan'), samplePlan.header))).toBe(
      'FILE_MISSING',
    );
  });
});
