import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Image } from './setup.js';
import { timeProgram, type Program } from './run.js';

const dist = new URL('../../../', import.meta.url);
const cli = fileURLToPath(new URL('src/cli/main.js', dist));
const snapshot = fileURLToPath(new URL('test/bench/introspection/snapshot.js', dist));
const peakHook = pathToFileURL(fileURLToPath(new URL('test/bench/introspection/peak.js', dist))).href;

/** `warm`: with the kernel's profile. `cold`: without, nothing cached. */
export type Start = 'warm' | 'cold';

/** The command line that shows some parts of a guest. */
export function inspectProgram(start: Start, parts: string, { path, profilePath }: Image): Program {
  const profile = start === 'warm' ? ['--profile', profilePath] : ['--derive'];
  return { argv: [process.execPath, cli, 'inspect', '--memory', path, '--only', parts, ...profile] };
}

/** The program that renders a guest's `/proc` once. */
export function snapshotProgram(start: Start, { path, profilePath }: Image): Program {
  return { argv: [process.execPath, snapshot, path, ...(start === 'warm' ? [profilePath] : [])] };
}

/** Most memory that a program of ours holds, above what Node holds that does nothing, in bytes. */
export async function peakAboveNode(program: Program, folder: string, signal: AbortSignal): Promise<number> {
  const [node, ...args] = program.argv;
  const file = join(folder, 'peak');
  const peakOf = async (rest: readonly string[]) => {
    const environment = { ...program.environment, OUASSISTER_PEAK_FILE: file };
    await timeProgram({ argv: [node, '--import', peakHook, ...rest], environment }, folder, signal);
    return Number(readFileSync(file, 'utf8'));
  };
  return (await peakOf(args)) - (await peakOf(['-e', '0']));
}
