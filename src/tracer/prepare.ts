import { accessSync, closeSync, constants, openSync, statSync } from 'node:fs';
import { Socket } from 'node:net';
import { delimiter, join } from 'node:path';
import { finished } from 'node:stream/promises';
import { OuaError } from '../base/errors.js';
import type { ResourceStack } from '../base/resources.js';
import { check, chosenBackend, loadShim } from '../native/shim.js';
import { generateFilter, packFilter } from './bpf.js';
import type { Job } from './messages.js';
import { packStrings, traceFlags } from './records.js';
import type { Feature, SyscallRow } from './row.js';
import { packRows, rowsFor } from './syscalls.js';
import type { Stdio, TraceOptions } from './tracer.js';

/** Milliseconds that a stream's last bytes get to be read once every tracee is dead. */
const drainLimit = 2_000;
const defaultGrace = 500;

/** A job without its port, and what to do once the command has its descriptors. */
export interface Prepared {
  readonly job: Omit<Job, 'port'>;
  /** What the records of held and told calls name. */
  readonly rows: readonly SyscallRow[];
  /** Closes our copies of descriptors that are the command's. May be called again. */
  readonly handedOver: () => void;
}

/**
 * Resolves and packs the options of a run; what it opens is released by `resources`.
 *
 * @throws OuaError `PROGRAM_MISSING` when `command[0]` is not in the `PATH`, `USAGE` for an empty command or a NUL.
 */
export function prepare(options: TraceOptions, resources: ResourceStack): Prepared {
  const environment = environmentOf(options);
  const given: number[] = [];
  const handedOver = () => given.splice(0).forEach((fd) => closeSync(fd));
  resources.defer(handedOver);
  const [stdin, stdout, stderr] = options.stdio ?? (['ignore', 'inherit', 'inherit'] as const);
  const stream = (stdio: Stdio, index: number) => descriptorOf(stdio, index, given, resources);
  const rows = rowsFor(featuresOf(options));
  return {
    job: {
      backend: chosenBackend(),
      flags: flagsOf(options),
      ...packed(() => ({
        file: packStrings([options.file ?? lookUp(options.command, environment)]),
        argv: packStrings(options.command),
        environment: packStrings(environment),
        cwd: packStrings([options.cwd ?? '']),
        asked: options.execPaths && packStrings(options.execPaths),
      })),
      streams: [stream(stdin, 0), stream(stdout, 1), stream(stderr, 2)],
      filter: packFilter(generateFilter(rows, machine())),
      rows: packRows(rows),
      uname: options.uname,
      guestPids: asksCalls(options) ? packPids(options.guestPids) : undefined,
      machine: options.machine,
      hiddenProc: options.hiddenProc,
      procServer: options.procServer,
      grace: options.grace ?? defaultGrace,
      armedLater: options.armed === 'later',
    },
    rows,
    handedOver,
  };
}

function packed<T>(pack: () => T): T {
  try {
    return pack();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new OuaError('USAGE', `the command cannot be run: ${error.message}`, 'remove the NUL', {
      cause: error,
    });
  }
}

function flagsOf(options: TraceOptions): number {
  return (
    (options.armed === 'later' ? 0 : traceFlags.armed) |
    (options.onExec ? traceFlags.askExec : 0) |
    (options.onEvent ? traceFlags.tellAll : 0) |
    (options.onEvent && options.audit ? traceFlags.tellFailed : 0)
  );
}

/** What a run with these options needs of the table. */
export function featuresOf(options: TraceOptions): ReadonlySet<Feature> {
  const features = new Set<Feature>();
  // Arming happens at an exec, too.
  if (options.onExec || options.onEvent || options.armed === 'later') features.add('exec');
  if (options.uname) features.add('uname');
  if (asksCalls(options)) features.add('guest');
  if (options.machine) features.add('machine');
  if (options.hiddenProc) features.add('hiddenProc');
  if (options.audit && options.onEvent) features.add('audit');
  if ((options.audit || options.connects) && options.onEvent) features.add('connect');
  if (options.effects && options.onEvent) features.add('effects');
  return features;
}

type AskingCalls = TraceOptions & { readonly guestPids: readonly number[] };

const asksCalls = (options: TraceOptions): options is AskingCalls =>
  options.onCall !== undefined && (options.guestPids?.length ?? 0) > 0;

const packPids = (pids: readonly number[]) => new Uint8Array(Int32Array.from(pids).buffer);

function machine(): 'x64' | 'arm64' {
  if (process.arch === 'x64' || process.arch === 'arm64') return process.arch;
  throw new OuaError(
    'HOST_UNSUPPORTED',
    `this machine's architecture, ${process.arch}, is not supported`,
    'use an x86-64 host',
  );
}

type Environment = NonNullable<TraceOptions['environment']>;

// Array.isArray does not narrow read-only arrays.
const isPacked = (environment: Environment): environment is readonly Buffer[] => Array.isArray(environment);

function environmentOf({ environment }: TraceOptions): readonly (string | Buffer)[] {
  if (environment && isPacked(environment)) return environment;
  return Object.entries(environment ?? process.env).map(([name, value]) => `${name}=${value}`);
}

/** What execvp(3) would run, found before the fork: each name tried by it would be an exec call of its own. */
function lookUp(
  command: TraceOptions['command'],
  environment: readonly (string | Buffer)[],
): string | Buffer {
  const [program] = command;
  if (program === undefined || program.length === 0)
    throw new OuaError('USAGE', 'there is no command to trace', 'name a program to run');
  if (program.includes('/')) return program;
  const path = environment.map(String).find((entry) => entry.startsWith('PATH='));
  for (const folder of (path ?? 'PATH=/usr/bin:/bin').slice('PATH='.length).split(delimiter)) {
    const candidate = join(folder || '.', String(program));
    if (isExecutable(candidate)) return candidate;
  }
  throw new OuaError(
    'PROGRAM_MISSING',
    `the program '${String(program)}' is not in the PATH`,
    'name it by its path',
  );
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    // Absent, not executable, or in a folder that may not be searched: the next one may do.
    return false;
  }
}

function descriptorOf(stdio: Stdio, index: number, given: number[], resources: ResourceStack): number {
  if (stdio === 'inherit') return index;
  if (typeof stdio === 'number') return stdio;
  if (stdio === 'ignore') {
    const fd = openSync('/dev/null', 'r+');
    given.push(fd);
    return fd;
  }
  const ends = new Int32Array(2);
  check('make a pipe', loadShim().oua_pipe(new Uint8Array(ends.buffer), 8));
  const [readEnd = -1, writeEnd = -1] = ends;
  given.push(writeEnd);
  const socket = new Socket({ fd: readEnd, readable: true, writable: false });
  socket.pipe(stdio, { end: false });
  resources.defer(() => drain(socket));
  return writeEnd;
}

/** Waits until the pipe's last bytes have been passed on. */
async function drain(socket: Socket): Promise<void> {
  const timer = setTimeout(() => socket.destroy(), drainLimit);
  try {
    if (!socket.closed) await finished(socket, { writable: false });
  } catch {
    // Destroyed: something that is no tracee holds the pipe open. What the tracees wrote has been read.
  } finally {
    clearTimeout(timer);
  }
}
