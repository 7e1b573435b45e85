/**
 * Lets a child be born while its tracer does not look, and prints what the tracer tells once it does: a program of its own,
 * because it must have no other children. Arguments: the back end, the fixture `spawn`, how the child is made, and what happens
 * before the tracer looks: nothing, `kill` of the child, `orphan`, which kills the parent, or `quiesce`, which looks by quiescing.
 *
 * Of tracees that both wait the kernel hands out the one first that was attached last (list_add in __ptrace_link,
 * kernel/ptrace.c), after those that are the tracer's own children (do_wait in kernel/exit.c). So, the parent being a
 * grandchild, the child's first stop or its death is taken up before its parent's event.
 */
import { closeSync, readFileSync, writeSync } from 'node:fs';
import { ResourceStack } from '../../src/base/resources.js';
import { check, loadShim, type BackendName } from '../../src/native/shim.js';
import { prepare } from '../../src/tracer/prepare.js';
import { eventKind, splitRecords, type EventRecord } from '../../src/tracer/records.js';

type Before = 'kill' | 'orphan' | 'quiesce';
const [backend, spawn, way, before] = process.argv.slice(2) as [BackendName, string, string, Before?];

/** What was told from the birth on. */
export interface Birth {
  readonly command: number;
  readonly parent: number;
  readonly child: number;
  readonly told: readonly Pick<EventRecord, 'kind' | 'tid' | 'other' | 'status'>[];
  /** So many of them when all stood still. */
  readonly quiet: number | undefined;
  /** Whether the child stood still then, by what /proc says. */
  readonly still: boolean;
}

const nobody = new Int32Array(new SharedArrayBuffer(4));

/** Looks again and again. Only a hang guard: it throws after ten seconds. */
function until<T>(what: string, look: () => T | undefined): T {
  for (let i = 0; i < 5000; i++) {
    const found = look();
    if (found !== undefined) return found;
    Atomics.wait(nobody, 0, 0, 2);
  }
  throw new Error(`${what} did not come`);
}

/** A state letter: `S` asleep, `t` in a tracing stop, `Z` dead. */
const inState = (pid: number, state: string) =>
  readFileSync(`/proc/${pid}/stat`, 'latin1').includes(`) ${state} `) || undefined;
const childOf = (pid: number) =>
  Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1')) || undefined;

await using resources = new ResourceStack();
const shim = loadShim(backend);
const ends = new Int32Array(2);
check('make a pipe', shim.oua_pipe(new Uint8Array(ends.buffer), ends.byteLength));
const [gate, opener] = ends as unknown as [number, number];
resources.defer(() => closeSync(opener));
const { job, handedOver } = prepare(
  {
    command: [spawn, before === 'orphan' ? 'reaper' : 'fork', spawn, way, '/bin/true'],
    stdio: [gate, 'ignore', 'ignore'],
    onEvent: () => undefined,
  },
  resources,
);
const run = check('open a trace', shim.oua_trace_open(job.flags));
resources.defer(() => void shim.oua_trace_close(run));
check('set the rows', shim.oua_trace_set_rows(run, job.rows, job.rows.length));
const { file, argv, environment, cwd, streams, filter } = job;
const command = check(
  'start the command',
  // prettier-ignore
  shim.oua_trace_start(run, file, argv, argv.length, environment, environment.length, cwd, ...streams, filter, filter.length),
);
handedOver();
closeSync(gate);

const buffer = Buffer.alloc(1 << 16);
function take(): EventRecord[] {
  const length = check('wait', shim.oua_trace_wait(run, buffer, buffer.length, 50));
  return splitRecords(Buffer.from(buffer.subarray(0, length))).records;
}
const told: EventRecord[] = [];
const find = (wanted: number, after = -1) =>
  told.find(({ kind, tid }) => kind === wanted && tid !== after) ?? (told.push(...take()), undefined);
/** Lets a process that waits at the gate go on. */
function open(pid: number): void {
  until('a wait at the gate', () => (told.push(...take()), inState(pid, 'S')));
  told.length = 0;
  writeSync(opener, 'x');
}

until('the command', () => find(eventKind.exec));
open(command);
const parent = until('the parent', () => find(eventKind.exec, command)).tid;
open(parent);
until("the parent's event", () => inState(parent, 't'));
const child = until('a child', () => childOf(parent));
until("the child's first stop", () => inState(child, 't'));
const killed = { kill: child, orphan: parent }[before as string];
if (killed) {
  process.kill(killed, 'SIGKILL');
  until('the death', () => inState(killed, 'Z'));
}
let quiet: number | undefined;
let still = false;
if (before === 'quiesce' || before === 'orphan') {
  until('quiet', () => check('quiesce', shim.oua_trace_quiesce(run, 100)) === 0 || undefined);
  told.push(...take());
  quiet = told.length;
  still = inState(child, 't') ?? false;
  check('release', shim.oua_trace_release(run));
}
until('the end', () => find(eventKind.end));
const birth: Birth = {
  ...{ command, parent, child, quiet, still },
  told: told.map(({ kind, tid, other, status }) => ({ kind, tid, other, status })),
};
process.stdout.write(JSON.stringify(birth));
