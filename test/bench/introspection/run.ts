import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { OuaError } from '../../../src/base/errors.js';
import { toolEnvironment } from '../../../src/base/command.js';

/** A program that is run to its end. */
export interface Program {
  readonly argv: readonly [string, ...string[]];
  readonly environment?: Readonly<Record<string, string>>;
  /** What it reads from its standard input. */
  readonly input?: string;
}

/** Far more than any of them takes: a hang guard. */
const patienceMs = 300_000;

export interface ProgramRun {
  /** From its start to its end. */
  readonly seconds: number;
  readonly output: string;
}

/**
 * Runs a program and takes its time. Its output goes to a file, so that nobody is waited for.
 * @throws OuaError `HOST_FAILED` when it fails, `INTERRUPTED`.
 */
export async function timeProgram(
  { argv: [program, ...args], environment, input }: Program,
  folder: string,
  signal: AbortSignal,
): Promise<ProgramRun> {
  const path = `${folder}/output`;
  const output = openSync(path, 'w');
  const errors = openSync(`${folder}/errors`, 'w');
  try {
    const started = performance.now();
    const status = await new Promise<number | null>((resolve, reject) => {
      const child = spawn(program, args, {
        cwd: folder,
        env: { ...toolEnvironment, HOME: folder, TERM: 'dumb', NO_COLOR: '1', ...environment },
        stdio: [input === undefined ? 'ignore' : 'pipe', output, errors],
        signal,
        timeout: patienceMs,
        killSignal: 'SIGKILL',
      });
      child.once('error', reject);
      child.once('close', resolve);
      child.stdin?.end(input);
    });
    const seconds = (performance.now() - started) / 1000;
    if (status !== 0)
      throw new OuaError(
        'HOST_FAILED',
        `${program} failed: ${readFileSync(`${folder}/errors`, 'utf8').trim().slice(-300)}`,
        'see what the program says',
      );
    return { seconds, output: readFileSync(path, 'utf8') };
  } finally {
    closeSync(output);
    closeSync(errors);
  }
}
