import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { execa } from 'execa';
import { replay, ReplayLog } from '../../../src/applier/replay.js';
import { writeStream, type OnFailure } from '../../../src/applier/stream.js';
import { toolEnvironment } from '../../../src/base/command.js';
import { OuaError } from '../../../src/base/errors.js';
import { PlanReader } from '../../../src/plan/reader.js';
import type { AgentCommand, Delivery } from '../../../src/transport/transport.js';
import { sharedInside, type Container } from './container.js';

/** The agent's name in the shared folder. */
export const agentFile = 'agent';
const streamFile = 'stream';

/**
 * Applies a plan in a container: the agent runs in it, so that what scripts do to services reaches its systemd. The
 * agent takes the container for a directory (`--root`), since its kernel and its boot are not those of the plan.
 *
 * @param shared the folder of the host that the container sees at {@link sharedInside}
 * @returns seconds that the agent took
 * @throws what {@link replay} throws
 */
export async function applyInside(
  path: string,
  container: Container,
  shared: string,
  signal: AbortSignal,
  onFailure: OnFailure = 'rollback',
): Promise<number> {
  const stream = join(shared, streamFile);
  try {
    using plan = PlanReader.open(path);
    const { steps } = writeStream(plan, stream, onFailure);
    const delivery: Delivery = {
      started: true,
      run: (command, stop) => runAgent(container, command, stop),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const started = performance.now();
    await replay(delivery, { digest: plan.digest, steps }, new ReplayLog(() => undefined), signal);
    return (performance.now() - started) / 1000;
  } finally {
    await rm(stream, { force: true });
  }
}

async function* runAgent(
  container: Container,
  command: AgentCommand,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const inside = (file: string) => `${sharedInside}/${file}`;
  const stream = command === 'apply' ? ['--stream', inside(streamFile)] : [];
  const [program, ...args] = container.enter([inside(agentFile), command, '--root', '/', ...stream]);
  const agent = execa('setpriv', ['--pdeathsig', 'TERM', '--', program!, ...args], {
    env: toolEnvironment,
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  });
  const stop = () => agent.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  try {
    yield* agent.iterable();
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  const { stderr, exitCode } = await agent;
  if (exitCode === 127 || exitCode === 2)
    throw new OuaError('AGENT_FAILED', `the agent did not start: ${stderr}`, 'build it: npm run build');
}
