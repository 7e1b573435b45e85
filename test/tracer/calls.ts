/** System calls made by a program under the tracer, by their names: test/tracer/fixtures/calls.c. */
import { numberOf, type SyscallName } from '../../src/tracer/numbers.js';
import type { TraceOptions } from '../../src/tracer/tracer.js';
import { compile, observe } from './support.js';

export type Call = readonly [name: SyscallName, ...args: (string | number)[]];

/** What a call returned (`-errno` when it failed), and what its buffers hold afterwards. */
export interface CallResult {
  readonly result: number;
  readonly buffers: readonly Buffer[];
}

let program: string | undefined;

/** The command that makes calls, 64-bit or 32-bit ones. */
export function callsCommand(calls: readonly Call[], bits: 32 | 64 = 64): string[] {
  program ??= compile('calls');
  const abi = bits === 64 ? 'x86_64' : 'i386';
  const words = calls.map(([name, ...args]) => [bits, numberOf(name, abi), ...args].map(String));
  return [program, ...words.flatMap((call, index) => (index > 0 ? [',', ...call] : call))];
}

/** Makes calls in one process under the tracer. */
export async function call(
  calls: readonly Call[],
  options: Partial<TraceOptions> = {},
  bits: 32 | 64 = 64,
): Promise<CallResult[]> {
  return parseResults((await observe(callsCommand(calls, bits), options)).output);
}

export function parseResults(output: string): CallResult[] {
  return output
    .trim()
    .split('\n')
    .map((line) => {
      const [result = '', ...buffers] = line.split(' ');
      return { result: Number(result), buffers: buffers.map((text) => Buffer.from(text, 'hex')) };
    });
}

/** Only the results. */
export const results = async (...args: Parameters<typeof call>) =>
  (await call(...args)).map(({ result }) => result);
