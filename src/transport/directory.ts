import { statSync } from 'node:fs';
import { execa } from 'execa';
import { toolEnvironment } from '../base/command.js';
import { OuaError } from '../base/errors.js';
import { agentProgram } from './agent-program.js';
import type { AgentCommand, Delivery, Transport } from './transport.js';

/**
 * A guest that is a directory of this host: the agent enters it with chroot(2) and runs the plan's scripts
 * there, as root. That confines no hostile script: it is for trees that one would also `chroot` into by hand.
 */
export class DirectoryTransport implements Transport {
  readonly #directory: string;

  /** @throws OuaError `FILE_MISSING`, `NOT_ROOT`. */
  constructor(directory: string) {
    if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory())
      throw new OuaError('FILE_MISSING', `${directory} is no directory`, 'check the name');
    if (process.geteuid?.() !== 0)
      throw new OuaError('NOT_ROOT', 'applying to a directory needs root', 'run as root (sudo)');
    this.#directory = directory;
  }

  deliver(stream: string): Promise<Delivery> {
    const program = agentProgram();
    let started = false;
    return Promise.resolve({
      get started() {
        return started;
      },
      run: (command, signal) => {
        started = true;
        return runAgent(program, this.#directory, command, stream, signal);
      },
      [Symbol.asyncDispose]: () => Promise.resolve(),
    });
  }
}

async function* runAgent(
  program: string,
  directory: string,
  command: AgentCommand,
  stream: string,
  signal?: AbortSignal,
): AsyncGenerator<string> {
  const streamArguments = command === 'apply' ? ['--stream', stream] : [];
  // When we die, however that is, the agent is asked to stop and rolls back. Ctrl-C reaches it through us only.
  const agent = execa(
    'setpriv',
    ['--pdeathsig', 'TERM', '--', program, command, '--root', directory, ...streamArguments],
    {
      env: toolEnvironment,
      extendEnv: false,
      detached: true,
      cleanup: false,
      reject: false,
      stdin: 'ignore',
    },
  );
  const stop = () => agent.kill('SIGTERM');
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    yield* agent.iterable();
  } finally {
    signal?.removeEventListener('abort', stop);
  }
  const { stderr, exitCode } = await agent;
  if (exitCode === 127 || exitCode === 2)
    throw new OuaError('AGENT_FAILED', `the agent did not start: ${stderr}`, 'run `ouassister doctor`');
}
