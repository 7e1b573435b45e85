/** Calls every function of a library from two threads at once. Arguments: the back end, the library, how many functions. */
import { isMainThread, Worker, workerData } from 'node:worker_threads';
import { ffiRsBackend } from '../../src/native/ffi-rs.js';
import { koffiBackend } from '../../src/native/koffi.js';
import type { Signature } from '../../src/native/signatures.js';

interface Meeting {
  readonly arrived: SharedArrayBuffer;
}

const [name, library, count] = process.argv.slice(2) as [string, string, string];
const backend = name === 'koffi' ? koffiBackend : ffiRsBackend;
const signature: Signature = ['i32', 'i32'];
const table = Object.fromEntries(Array.from({ length: Number(count) }, (_, i) => [`f${i}`, signature]));
const functions = Object.entries(backend(library, table)) as [string, (value: number) => number][];

/** Both threads go on at the same moment. */
function meet({ arrived }: Meeting): void {
  const counter = new Int32Array(arrived);
  Atomics.add(counter, 0, 1);
  while (Atomics.load(counter, 0) < 2);
}

function callAll(): void {
  for (const [called, call] of functions)
    if (call(1) !== Number(called.slice(1)) + 1) throw new Error(`${called} answered for another`);
}

if (isMainThread) {
  const meeting: Meeting = { arrived: new SharedArrayBuffer(4) };
  const worker = new Worker(new URL(import.meta.url), { argv: process.argv.slice(2), workerData: meeting });
  worker.on('exit', (code) => (process.exitCode = code));
  await new Promise((resolve) => worker.once('online', resolve));
  meet(meeting);
} else {
  // From the other end, so that each thread finds functions that nobody has called before.
  functions.reverse();
  meet(workerData as Meeting);
}
callAll();
