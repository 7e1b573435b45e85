import { execa, ExecaError, type Options } from 'execa';
import type { Readable, Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { interrupted } from './abort.js';
import { errnoOf, OuaError } from './errors.js';

/** Host programs that we run, and the Debian package that brings each. `doctor` walks this table. */
export const hostPrograms = {
  'qemu-storage-daemon': 'qemu-system-common',
  'qemu-img': 'qemu-utils',
  runc: 'runc',
  mount: 'mount',
  blkid: 'util-linux',
  sfdisk: 'fdisk',
  setpriv: 'util-linux',
  unshare: 'util-linux',
  mke2fs: 'e2fsprogs',
  cp: 'coreutils',
} as const;

/** Programs that decompress, and their packages: only a memory image that is compressed so needs one. */
export const filterPrograms = {
  bzip2: 'bzip2',
  lzop: 'lzop',
  xz: 'xz-utils',
  zstd: 'zstd',
} as const;

export type HostProgram = keyof typeof hostPrograms;
export type FilterProgram = keyof typeof filterPrograms;

/** The environment that host tools get: fixed, so that neither locale nor the caller's settings leak in. */
export const toolEnvironment = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8' };

/**
 * Runs a host tool to its end and returns its standard output.
 * No shell is involved: arguments reach the tool as they are.
 *
 * @throws OuaError `PROGRAM_MISSING`, `HOST_FAILED` with the tool's own last words, or `INTERRUPTED` when
 * `cancelSignal` was aborted.
 */
export async function runTool(
  program: HostProgram,
  args: readonly string[],
  options: Options = {},
): Promise<string> {
  try {
    const result = await execa(program, args, { env: toolEnvironment, extendEnv: false, ...options });
    return typeof result.stdout === 'string' ? result.stdout : '';
  } catch (error) {
    throw toolError(program, args, error);
  }
}

/**
 * Sends all of `input` through a host tool, and what that makes of it into `output`.
 *
 * @throws OuaError `PROGRAM_MISSING`, `HOST_FAILED` with the tool's own last words, and what `output` throws.
 */
export async function filterThroughTool(
  program: FilterProgram,
  args: readonly string[],
  input: Readable,
  output: Writable,
): Promise<void> {
  const tool = execa(program, args, { env: toolEnvironment, extendEnv: false, buffer: { stdout: false } });
  try {
    await pipeline(input, tool.duplex(), output);
  } catch (error) {
    throw error instanceof OuaError ? error : toolError(program, args, error);
  }
}

/**
 * Starts a host tool that lives as long as we need it. It is killed by the kernel when this process dies
 * (`PR_SET_PDEATHSIG`), however it dies, and it is in a session of its own so that a terminal's Ctrl-C
 * reaches us first and lets us release things in order.
 */
export function startTool(program: HostProgram, args: readonly string[]) {
  return execa('setpriv', ['--pdeathsig', 'KILL', '--', program, ...args], {
    env: toolEnvironment,
    extendEnv: false,
    detached: true,
    reject: false,
    stdin: 'ignore',
  });
}

/** The exit status that a failed tool had, from what `runTool` threw; undefined for any other error. */
export function toolExitStatus(error: unknown): number | undefined {
  return error instanceof OuaError && error.cause instanceof ExecaError ? error.cause.exitCode : undefined;
}

function toolError(program: HostProgram | FilterProgram, args: readonly string[], error: unknown): OuaError {
  if (error instanceof ExecaError && error.isCanceled) return interrupted(error);
  if (errnoOf(error) === 'ENOENT')
    return new OuaError(
      'PROGRAM_MISSING',
      `the program '${program}' is not installed`,
      `install it: apt-get install ${{ ...hostPrograms, ...filterPrograms }[program]}`,
      { cause: error },
    );
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : '';
  const words = stderr.split('\n').pop() || (error instanceof Error ? error.message : String(error));
  return new OuaError(
    'HOST_FAILED',
    `${program} ${args[0] ?? ''} failed: ${words}`,
    'run `ouassister doctor`',
    {
      cause: error,
    },
  );
}
