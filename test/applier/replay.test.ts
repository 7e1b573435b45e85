import { replay, ReplayLog } from '../../src/applier/replay.js';
import { endError } from '../../src/applier/report.js';
import type { Delivery } from '../../src/transport/transport.js';

const plan = 'a'.repeat(64);
const step = {
  event: 'step',
  step: 3,
  kind: 'files',
  seconds: 0,
  status: 'ok',
  changes: 1,
  kept: [],
  overwrote: [],
  merged: [],
};
const failed = {
  ...{ event: 'step', step: 4, kind: 'action', seconds: 0, status: 'failed', exit: 1 },
  output: 'no\nway\n',
};
const commit = { event: 'phase', phase: 'commit', seconds: 0 };
const recovered = { event: 'end', status: 'recovered', scripts: 0 };
const found = (status: string, digest = plan) => ({ event: 'recovered', plan: digest, status, left: [] });

/** An agent that says one thing when it applies, another when it recovers; and what came of it. */
async function play(applying: readonly unknown[], recovering: readonly unknown[]): Promise<unknown> {
  const ran: string[] = [];
  let left = 0;
  const delivery: Delivery = {
    started: true,
    async *run(command) {
      ran.push(command);
      const said = command === 'apply' ? applying : recovering;
      left = said.length;
      for (const line of said) {
        left -= 1;
        yield await Promise.resolve(typeof line === 'string' ? line : JSON.stringify(line));
      }
    },
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
  try {
    await replay(delivery, { digest: plan, steps: 9 }, new ReplayLog(() => undefined));
    return 'applied';
  } catch (error) {
    return error;
  } finally {
    expect(left).toBe(0);
    expect(ran[0]).toBe('apply');
  }
}

describe('an agent that ended without saying how', () => {
  test('was rolled back when its state was found and taken back', async () => {
    expect(await play([step], [found('restored'), recovered])).toMatchObject({
      code: 'ROLLED_BACK',
      message: expect.stringContaining('the last that it reported is step 3 (files, ok)') as string,
    });
  });

  test.each([
    ['nothing was found', [step], [recovered]],
    ['only the state of another plan was found', [step], [found('restored', 'b'.repeat(64)), recovered]],
    ['the recovery did not say either', [step], []],
  ])('is not called rolled back when %s', async (_, applying, recovering) => {
    expect(await play(applying, recovering)).toMatchObject({
      code: 'AGENT_FAILED',
      message: expect.stringContaining('without saying how, the last that it reported is step 3') as string,
    });
  });

  test('has applied the plan when it had committed it', async () => {
    expect(await play([step, commit], [recovered])).toBe('applied');
    expect(await play([step], [found('committed'), recovered])).toBe('applied');
  });

  test.each([
    ['it had said so', [failed, { event: 'phase', phase: 'stop', seconds: 0 }], [recovered]],
    ['its state says so', [failed], [found('stopped'), recovered]],
  ])('has stopped when %s', async (_, applying, recovering) => {
    expect(await play(applying, recovering)).toMatchObject({
      code: 'STOPPED',
      output: 'no\nway\n',
      message:
        'step 4 (action) failed: the agent was killed after it had stopped; the guest is between two states: ' +
        'steps 0 to 3 before it done and kept, steps 5 to 8 not done',
    });
  });

  test('is stuck when the recovery is', async () => {
    const refused = {
      event: 'end',
      status: 'refused',
      code: 'AGENT_FAILED',
      path: '/a',
      message: 'm',
      scripts: 0,
    };
    expect(await play([step], [found('stuck'), refused])).toMatchObject({
      message: expect.stringMatching(/^the guest could not be brought back/) as string,
    });
  });
});

test('a line that is none is an error, but only once the agent has ended', async () => {
  const end = { event: 'end', status: 'applied', scripts: 0 };
  expect(await play(['{"event":', step, end], [])).toMatchObject({
    code: 'AGENT_FAILED',
    message: expect.stringContaining("it ended as 'applied'") as string,
  });
});

test.each([
  [0, /^\/a: m; the guest has its old files back$/],
  [
    1,
    /^\/a: m; the plan's own paths are as they were; 1 script had been started, and what they did to other/,
  ],
])('a rollback after %d scripts says what is undone, and what is not', async (scripts, message) => {
  const end = {
    event: 'end',
    status: 'rolled-back',
    code: 'AGENT_FAILED',
    path: '/a',
    message: 'm',
    scripts,
  };
  expect(await play([end], [])).toMatchObject({
    code: 'ROLLED_BACK',
    message: expect.stringMatching(message) as string,
  });
});

test.each([
  [0, 3, 'nothing came before it, steps 1 to 2 not done'],
  [1, 3, 'step 0 before it done and kept, step 2 not done'],
  [2, 3, 'steps 0 to 1 before it done and kept, nothing was to come after it'],
])('a stop at step %d of %d says what is done, and what is not', (step, steps, message) => {
  const failure = { code: 'SCRIPT_FAILED', path: '/a', message: 'exit status 1' };
  const end = { event: 'end', status: 'stopped', scripts: 1, ...failure } as const;
  expect(endError(end, { step, kind: 'script', output: 'one\ntwo\nthree\n' }, steps)).toMatchObject({
    code: 'STOPPED',
    exitStatus: 9,
    message: `step ${step} (script) failed: /a: exit status 1: two / three; the guest is between two states: ${message}`,
  });
});
