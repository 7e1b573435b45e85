import { constants } from 'node:os';
import { receiveMessageOnPort } from 'node:worker_threads';
import { check, errnoName, type Shim } from '../native/shim.js';
import { carryOut, type Decision } from './carry-out.js';
import type { Failure, Job, Order, Report } from './messages.js';
import { nameProcess } from './leftover.js';
import { countsSize, eventKind, splitRecords, traceFlags, type EventRecord } from './records.js';
import { exitOf, failedRedirect } from './told.js';
import type { Exit, Leftover, MachineAnswers } from './tracer.js';

/** Milliseconds; orders from the main thread cut a wait short. */
const waitSlice = 100;
const quiesceSlice = 100;
const quiesceLimit = 10_000;
const endSlice = 10;
/** How long killed tracees get to die. Only one that the kernel holds in a call can need it. */
const deathLimit = 10_000;

const bufferSize = 256 * 1024;
/** Bytes of events that may be on their way to the main thread. Tracees that make more stand still until it has kept up. */
const onTheWayLimit = 8 << 20;
/** Milliseconds between two looks whether it has. */
const lookInterval = 2;

/**
 * One run on the tracing thread. Everything is synchronous: the shim waits, we look at what happened and at
 * what the main thread orders, and wait again. No wait is without bound.
 */
export class Tracing {
  readonly #shim: Shim;
  readonly #job: Job;
  readonly #buffer = Buffer.alloc(bufferSize);
  /** The beginning of a record whose end has not come yet. */
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes of events that the main thread has not told yet. */
  #onTheWay = 0;
  readonly #nobody = new Int32Array(new SharedArrayBuffer(4));
  #run = -1;
  #commandPid = 0;
  #armedPid = 0;
  #commandExit: Exit | undefined;
  #armedExit: Exit | undefined;
  #failure: Failure | undefined;
  #leftovers: Leftover[] = [];
  /** Exec and call stops in the order in which they came; the first is the one being asked about. */
  #stops: EventRecord[] = [];
  #asking = false;
  #quiesced = false;
  /** `performance.now()` at which what is left over is killed, or at which the killed should be dead. */
  #killAt = Infinity;
  #deadBy = Infinity;
  #ended = false;

  constructor(shim: Shim, job: Job) {
    this.#shim = shim;
    this.#job = job;
  }

  run(): void {
    const shim = this.#shim;
    this.#run = check('open a trace', shim.oua_trace_open(this.#job.flags));
    this.#report({ type: 'open', run: this.#run });
    try {
      this.#start();
      while (!this.#ended) this.#turn();
      this.#reportEnd();
    } finally {
      shim.oua_trace_close(this.#run);
    }
  }

  #start(): void {
    const {
      rows,
      asked,
      uname,
      machine,
      guestPids,
      hiddenProc,
      procServer,
      file,
      argv,
      environment,
      cwd,
      streams,
      filter,
    } = this.#job;
    const shim = this.#shim;
    check('set the rows', shim.oua_trace_set_rows(this.#run, rows, rows.length));
    if (asked) check('set the asked paths', shim.oua_trace_set_asked(this.#run, asked, asked.length));
    if (uname) check('set uname', shim.oua_trace_set_uname(this.#run, uname, uname.length));
    if (guestPids)
      check('set the guest', shim.oua_trace_set_guest_pids(this.#run, guestPids, guestPids.length));
    if (machine) this.#setMachine(machine);
    if (hiddenProc) check('set the hidden proc', shim.oua_trace_set_hidden_proc(this.#run, hiddenProc));
    if (procServer) check('set the server', shim.oua_trace_set_server(this.#run, procServer));
    this.#commandPid = check(
      'start the command',
      // prettier-ignore
      shim.oua_trace_start(this.#run, file, argv, argv.length, environment, environment.length, cwd, ...streams, filter, filter.length),
    );
    this.#report({ type: 'started', pid: this.#commandPid });
  }

  #setMachine({ sysinfo, cpuIds, cpus }: MachineAnswers): void {
    const shim = this.#shim;
    check('set sysinfo', shim.oua_trace_set_sysinfo(this.#run, sysinfo, sysinfo.length));
    check('set the CPUs', shim.oua_trace_set_cpus(this.#run, cpuIds, cpus, cpus.length));
  }

  #turn(): void {
    this.#takeOrders();
    if (this.#onTheWay > onTheWayLimit) {
      Atomics.wait(this.#nobody, 0, 0, lookInterval);
      return this.#keepTime();
    }
    const limit = Math.min(this.#killAt, this.#deadBy) - performance.now();
    this.#wait(Math.ceil(Math.max(0, Math.min(waitSlice, limit))));
    this.#keepTime();
  }

  /** Takes what happens within so many milliseconds, and returns how many bytes of events that was. */
  #wait(milliseconds: number): number {
    const count = check(
      'wait for tracees',
      this.#shim.oua_trace_wait(this.#run, this.#buffer, this.#buffer.length, milliseconds),
    );
    if (count > 0) this.#take(this.#buffer.subarray(0, count));
    return count;
  }

  /** Takes what the shim has written, copied: the buffer is used again. */
  #take(written: Buffer): void {
    const stream = Buffer.concat([this.#rest, written]);
    const { records, length } = splitRecords(stream);
    this.#rest = stream.subarray(length);
    for (const record of records) this.#look(record);
    if (length > 0 && this.#job.flags & traceFlags.tellAll) {
      this.#onTheWay += length;
      // All of it: the main thread passes over what listeners are not told.
      this.#report({ type: 'events', records: stream.subarray(0, length) });
    }
    // What happened before a stop is told before its handler is asked.
    if (!this.#asking) this.#ask();
  }

  /** Ends what outstays its time. */
  #keepTime(): void {
    const now = performance.now();
    if (now >= this.#killAt) {
      this.#killAt = Infinity;
      this.#leftovers = this.#list().map(nameProcess);
      this.#kill();
    }
    if (now >= this.#deadBy) {
      this.#fail(
        'TRACE_FAILED',
        `processes ${this.#list().join(', ')} do not die`,
        'look at what they wait for in /proc/<pid>/stack',
      );
      this.#ended = true;
    }
  }

  #look(record: EventRecord): void {
    const { kind, tid, other, status } = record;
    switch (kind) {
      case eventKind.execFailed:
        return this.#execFailed(record);
      case eventKind.exit:
        this.#forgetStops(tid);
        return this.#exited(tid, exitOf(status));
      case eventKind.execStop:
      case eventKind.callStop:
        this.#stops.push(record.copy());
        return;
      case eventKind.mismatch:
        return this.#fail(
          'TRACE_FAILED',
          `process ${tid} runs another program than was decided`,
          'something changed the call while it was looked at; plan again, and distrust the guest if it happens again',
        );
      case eventKind.startFailed:
        return this.#fail(
          status === constants.errno.ENOENT ? 'PROGRAM_MISSING' : 'TRACE_FAILED',
          `the command '${Buffer.from(this.#job.file).toString().slice(0, -1)}' cannot be run: ${errnoName(status)}`,
          'check its path, its mode and its working directory',
        );
      case eventKind.end:
        this.#ended = true;
        return;
      case eventKind.fork:
      case eventKind.exec:
      case eventKind.call:
        // Only told.
        return;
      default:
        throw new RangeError(`trace event ${kind}, thread ${tid}, ${other}, ${status}`);
    }
  }

  #execFailed(record: EventRecord): void {
    const errno = failedRedirect(record);
    if (errno !== undefined)
      this.#fail(
        'TRACE_FAILED',
        `process ${record.tid} could not run the program that it was redirected to: ${errnoName(errno)}`,
        'check that the stub is in place and executable inside the sandbox',
      );
  }

  #exited(tid: number, exit: Exit): void {
    if (tid === this.#commandPid) {
      this.#commandExit = exit;
      this.#report({ type: 'command', exit });
    }
    if (tid === this.#armedPid) this.#armedExit = exit;
    const over = this.#commandExit && (this.#armedPid ? this.#armedExit : !this.#job.armedLater);
    if (over) this.#killAt = Math.min(this.#killAt, performance.now() + this.#job.grace);
  }

  /** What a dead thread was about to do never happens: nobody is asked about it any more. */
  #forgetStops(tid: number): void {
    const asked = Number(this.#asking);
    if (this.#stops.length > asked)
      this.#stops = this.#stops.filter((stop, index) => index < asked || stop.tid !== tid);
  }

  /** Asks the main thread about the first stop of the line. */
  #ask(): void {
    const [stop] = this.#stops;
    this.#asking = stop !== undefined;
    if (stop) this.#report({ type: 'stop', record: stop.bytes });
  }

  #decide(stop: EventRecord, decision: Decision): void {
    const result = carryOut(this.#shim, this.#run, stop, decision);
    // ESRCH: it was killed meanwhile, and its end is reported as any other.
    if (result < 0 && result !== -constants.errno.ESRCH)
      this.#fail(
        'TRACE_FAILED',
        `process ${stop.tid} could not be made to ${decision.action}: ${errnoName(-result)}`,
        'check that the stub is in place inside the sandbox',
      );
  }

  #takeOrders(): void {
    for (;;) {
      const received = receiveMessageOnPort(this.#job.port) as { message: Order } | undefined;
      if (!received) return;
      this.#follow(received.message);
    }
  }

  #follow(order: Order): void {
    switch (order.type) {
      case 'decide': {
        const [held] = this.#stops;
        if (held?.status !== order.stop) return;
        this.#decide(held, order.decision);
        this.#stops.shift();
        if (this.#quiesced) check('let the tracees go', this.#shim.oua_trace_release(this.#run));
        this.#quiesced = false;
        return this.#ask();
      }
      case 'quiesce':
        return this.#quiesce(order.stop, order.kill);
      case 'arm': {
        const found = this.#shim.oua_trace_arm(this.#run, order.pid) === 0;
        if (found) this.#armedPid = order.pid;
        return this.#report({ type: 'armed', id: order.id, found });
      }
      case 'heard':
        this.#onTheWay -= order.bytes;
        return;
      case 'kill':
        return this.#kill();
    }
  }

  #quiesce(stop: number, kill: readonly number[]): void {
    this.#quiesced = true;
    let restless = this.#standStill();
    if (restless === 0 && kill.length > 0) restless = this.#end(kill) + this.#standStill();
    this.#report({ type: 'quiesced', stop, restless });
  }

  /**
   * Stops all tracees, tells what they did until then, and returns how many do not stop. In slices, so that an order to kill
   * is heard.
   */
  #standStill(): number {
    const until = performance.now() + quiesceLimit;
    let restless = 1;
    while (restless > 0 && performance.now() < until && this.#deadBy === Infinity) {
      restless = check('stop the tracees', this.#shim.oua_trace_quiesce(this.#run, quiesceSlice));
      if (restless > 0) this.#takeOrders();
    }
    while (this.#wait(0) === this.#buffer.length);
    return restless;
  }

  /**
   * Ends processes, and returns how many do not die. A number is a listed process's own: nobody else gets it before this
   * thread has taken up its end.
   */
  #end(pids: readonly number[]): number {
    const until = performance.now() + deathLimit;
    const listed = () => {
      const there = new Set(this.#list());
      return pids.filter((pid) => there.has(pid));
    };
    let left = listed();
    for (const pid of left) process.kill(pid, 'SIGKILL');
    while (left.length > 0 && performance.now() < until && this.#deadBy === Infinity) {
      this.#wait(endSlice);
      this.#takeOrders();
      left = listed();
    }
    return left.length;
  }

  #kill(): void {
    this.#deadBy = Math.min(this.#deadBy, performance.now() + deathLimit);
    this.#killAt = Infinity;
    check('kill the tracees', this.#shim.oua_trace_kill(this.#run));
  }

  /** The first failure counts; it ends the run. */
  #fail(code: Failure['code'], message: string, hint: string): void {
    this.#failure ??= { code, message, hint };
    this.#kill();
  }

  #list(): number[] {
    for (let room = 1024; ; room *= 2) {
      const pids = new Int32Array(room);
      const bytes = new Uint8Array(pids.buffer);
      const count = check('list tracees', this.#shim.oua_trace_list(this.#run, bytes, bytes.length));
      if (count <= room) return [...pids.subarray(0, count)];
    }
  }

  #reportEnd(): void {
    const bytes = Buffer.alloc(countsSize);
    check('read the counts', this.#shim.oua_trace_read_counts(this.#run, bytes, bytes.length));
    const count = (index: number) => Number(bytes.readBigUInt64LE(index * 8));
    this.#report({
      type: 'end',
      failure: this.#failure,
      exit: this.#armedExit ?? this.#commandExit,
      leftovers: this.#leftovers,
      counts: { stops: count(0), answered: count(1), execs: count(2), forks: count(3), signals: count(4) },
    });
  }

  #report(report: Report): void {
    this.#job.port.postMessage(report);
  }
}
