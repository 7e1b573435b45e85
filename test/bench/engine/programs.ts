import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OuaError } from '../../../src/base/errors.js';
import { tool } from '../../lab/tools.js';
import type { Sample } from '../pairs.js';
import type { Outcome } from './tracers.js';

const sources = new URL('../../../../test/bench/engine/', import.meta.url);

/** Compiles a C program of this folder into `folder` and returns its path. It is static: starting it costs little. */
export async function compile(name: string, folder: string, flags: readonly string[] = []): Promise<string> {
  const program = join(folder, name);
  const source = fileURLToPath(new URL(`${name}.c`, sources));
  await tool('cc', [
    '-std=gnu11',
    '-Wall',
    '-Wextra',
    '-Werror',
    '-O2',
    '-static',
    ...flags,
    '-o',
    program,
    source,
  ]);
  return program;
}

/** A run with the seconds that the program measured itself: the start of a tracer is not in them. */
export function timed({ output, ...sample }: Outcome): Sample {
  const seconds = /^seconds (\d+\.\d+)$/m.exec(output)?.[1];
  if (seconds === undefined)
    throw new OuaError('HOST_FAILED', `no time in '${output.trim()}'`, 'see what the program says');
  return { ...sample, seconds: Number(seconds) };
}

/** A processor that we may run on: the last, because devices like to interrupt the first. */
export function lastProcessor(): number {
  const list = /^Cpus_allowed_list:\s+(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return Number(list?.split(/[,-]/).pop() ?? 0);
}
