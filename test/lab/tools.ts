import { execa } from 'execa';
import { toolEnvironment } from '../../src/base/command.js';
import { OuaError } from '../../src/base/errors.js';
import type { Say } from './cache.js';

export interface ToolOptions {
  readonly cwd?: string;
  readonly input?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Hears each line of the tool's standard error. */
  readonly say?: Say;
}

/**
 * Runs a host program of the lab to its end and returns its standard output. The program dies with us.
 * Proxy settings of the environment reach it, nothing else does.
 * @throws OuaError `HOST_FAILED` with the program's last words.
 */
export async function tool(
  program: string,
  args: readonly string[],
  options: ToolOptions = {},
): Promise<string> {
  const proxies = Object.entries(process.env).filter(([name]) => /^(https?|no)_proxy$/i.test(name));
  const child = execa('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    env: { ...toolEnvironment, ...Object.fromEntries(proxies), ...options.environment },
    extendEnv: false,
    reject: false,
    maxBuffer: 64 << 20,
    ...(options.cwd && { cwd: options.cwd }),
    ...(options.input === undefined ? { stdin: 'ignore' as const } : { input: options.input }),
  });
  if (options.say) for await (const line of child.iterable({ from: 'stderr' })) options.say(line);
  const result = await child;
  if (result.failed)
    throw new OuaError(
      'HOST_FAILED',
      `${program} ${args[0] ?? ''} failed: ${lastWords(result.stderr) || result.message}`,
      'run `npm run setup`, and see what the program says',
    );
  return result.stdout;
}

function lastWords(text: string): string {
  return text.trim().split('\n').slice(-3).join(' / ');
}
