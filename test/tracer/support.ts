/** What the tests of the engine share: compiled fixtures, a run with its output, and a look for what is left over. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { packUts } from '../../src/emulate/uts.js';
import { backendNames } from '../../src/native/shim.js';
import { trace } from '../../src/tracer/trace.js';
import type { ExecStop, TraceEvent, TraceOptions, TraceResult, TraceRun } from '../../src/tracer/tracer.js';
import { guestUts } from './guest-uts.js';

const fixtures = new URL('../../../test/tracer/fixtures/', import.meta.url);

/** A folder of the test file's own; remove it with `removeFolder`. */
export const folder = mkdtempSync(join(tmpdir(), 'ouassister-tracer-'));
export const removeFolder = () => rmSync(folder, { recursive: true, force: true });

/** The same tests with the shim called by koffi and by ffi-rs. */
export const throughEachBackend = (tests: (backend: string) => void) =>
  describe.each(backendNames)('through %s', (backend) => {
    beforeAll(() => (process.env['OUASSISTER_FFI'] = backend));
    afterAll(() => delete process.env['OUASSISTER_FFI']);
    tests(backend);
  });

/** Compiles a fixture of test/tracer/fixtures and returns the program's path. */
export function compile(name: string, flags: readonly string[] = ['-pthread']): string {
  const program = join(folder, name);
  const source = fileURLToPath(new URL(`${name}.c`, fixtures));
  execFileSync('cc', ['-Wall', '-Wextra', '-Werror', '-O1', ...flags, '-o', program, source]);
  return program;
}

export const uname = packUts(guestUts);

/** Set in the environment of every traced command, so that what is left of it can be found in /proc. */
const marker = `OUASSISTER_TEST=${process.pid}-${folder}`;
export const environment = {
  PATH: '/usr/bin:/bin:/usr/sbin:/sbin',
  OUASSISTER_TEST: marker.slice(16),
};

export interface Observed {
  readonly output: string;
  readonly result: TraceResult;
  readonly stops: readonly ExecStop[];
  readonly events: readonly TraceEvent[];
}

/** A run in progress whose output, stops and events are collected. */
export interface Observation {
  readonly run: TraceRun;
  /** What the command has written so far. */
  readonly output: () => string;
  readonly stops: readonly ExecStop[];
  readonly events: readonly TraceEvent[];
  /** The end, with everything that was seen. */
  readonly finish: () => Promise<Observed>;
}

export function start(
  command: readonly (string | Buffer)[],
  options: Partial<TraceOptions> = {},
): Observation {
  const chunks: Buffer[] = [];
  const stops: ExecStop[] = [];
  const events: TraceEvent[] = [];
  const collector = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  const { onExec, ...rest } = options;
  const run = trace({
    command,
    environment,
    stdio: ['ignore', collector, collector],
    onEvent: (event) => events.push(event),
    ...(onExec === undefined
      ? {}
      : {
          onExec: (stop) => {
            stops.push(stop);
            return onExec(stop);
          },
        }),
    ...rest,
  });
  const output = () => Buffer.concat(chunks).toString('latin1');
  const finish = async () => ({ result: await run.result, output: output(), stops, events });
  return { run, output, stops, events, finish };
}

/** Runs a command under the tracer to its end. */
export const observe = (command: readonly (string | Buffer)[], options: Partial<TraceOptions> = {}) =>
  start(command, options).finish();

/** Lets every exec go on. */
export const letGo = () => ({ action: 'continue' }) as const;

/** The same command without the tracer, in a session of its own as under it. */
export async function natively([program = '', ...args]: readonly string[]) {
  const path = join(folder, 'native-output');
  const fd = openSync(path, 'w');
  const child = spawn(program, args, { env: environment, detached: true, stdio: ['ignore', fd, fd] });
  const [status, signal] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
  closeSync(fd);
  return { status, signal, output: readFileSync(path, 'latin1') };
}

/** Pids of processes that a traced command left, and of our own children that nobody reaped. */
export function leftovers(): string[] {
  return readdirSync('/proc').filter((name) => {
    if (!/^\d+$/.test(name)) return false;
    try {
      if (readFileSync(`/proc/${name}/environ`, 'latin1').includes(marker)) return true;
      const status = readFileSync(`/proc/${name}/status`, 'latin1');
      return /^State:\s+Z/m.test(status) && status.includes(`\nPPid:\t${process.pid}\n`);
    } catch {
      // It ended while we looked.
      return false;
    }
  });
}

/** Polls until a condition holds. Only a hang guard: it throws after thirty seconds. */
export async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 3000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  throw new Error('the condition did not come true');
}

/** Matches an OuaError by its code. */
export const withCode = (code: string) => expect.objectContaining({ code }) as unknown as Error;

/** A seeded generator (mulberry32): the moments differ, but are the same in every run of the test. */
export function random(seed: number) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}
