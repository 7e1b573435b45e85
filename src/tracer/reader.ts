import { readFileSync, readlinkSync } from 'node:fs';
import { constants } from 'node:os';
import { errnoOf } from '../base/errors.js';
import type { Shim } from '../native/shim.js';
import type { StopReport } from './messages.js';
import { atFdcwd } from './paths.js';
import { unpackStrings, type EventRecord } from './records.js';
import type { Leftover } from './tracer.js';

/** `PATH_MAX`, linux/limits.h. */
const pathMax = 4096;
/** More than the kernel ever takes for argv and environment together: three quarters of `_STK_LIM`, fs/exec.c. */
const stringsMax = 8 * 1024 * 1024;

const { E2BIG, ESRCH } = constants.errno;

/** Reads what an exec call was given, out of a tracee that stands still. */
export class Reader {
  readonly #shim: Shim;
  readonly #path = Buffer.alloc(pathMax);
  #strings = Buffer.alloc(256 * 1024);

  constructor(shim: Shim) {
    this.#shim = shim;
  }

  /** The call's arguments, or the errno that the kernel is going to fail it with. */
  read({ tid, other: pid, status: stop, args }: EventRecord): StopReport | number {
    const [pathAt = 0n, argvAt = 0n, environmentAt = 0n, directory = 0n, , pointerSize = 8n] = args;
    const pathLength = this.#shim.oua_trace_read_string(
      tid,
      BigInt.asIntN(64, pathAt),
      this.#path,
      this.#path.length,
    );
    if (pathLength < 0) return -pathLength;
    const path = Buffer.from(this.#path.subarray(0, pathLength - 1));
    const argv = this.#readStrings(tid, argvAt, Number(pointerSize));
    if (typeof argv === 'number') return argv;
    const environment = this.#readStrings(tid, environmentAt, Number(pointerSize));
    if (typeof environment === 'number') return environment;
    const directoryFd = Number(BigInt.asIntN(32, directory));
    try {
      const cwd = readlinkSync(`/proc/${tid}/cwd`, 'buffer');
      const fromCwd = directoryFd === atFdcwd || path[0] === 0x2f;
      return {
        stop,
        tid,
        pid,
        parent: parentOf(tid),
        path,
        argv,
        environment,
        cwd,
        root: readlinkSync(`/proc/${tid}/root`, 'buffer'),
        directoryFd,
        base: fromCwd ? cwd : readlinkSync(`/proc/${tid}/fd/${directoryFd}`, 'buffer'),
      };
    } catch (error) {
      // Killed at this moment; or a directory descriptor that is not open.
      if (errnoOf(error) === 'ENOENT') return directoryFd === atFdcwd ? ESRCH : constants.errno.EBADF;
      if (errnoOf(error) === 'ESRCH') return ESRCH;
      throw error;
    }
  }

  #readStrings(tid: number, address: bigint, pointerSize: number): Buffer | number {
    for (;;) {
      const length = this.#shim.oua_trace_read_strings(
        tid,
        BigInt.asIntN(64, address),
        pointerSize,
        this.#strings,
        this.#strings.length,
      );
      if (length >= 0) return Buffer.from(this.#strings.subarray(0, length));
      if (length !== -E2BIG || this.#strings.length >= stringsMax) return -length;
      this.#strings = Buffer.alloc(this.#strings.length * 4);
    }
  }
}

function parentOf(tid: number): number {
  const parent = /^PPid:\s*(\d+)/m.exec(readFileSync(`/proc/${tid}/status`, 'latin1'));
  return Number(parent?.[1] ?? 0);
}

/** What a process calls itself, as far as it is still there. */
export function nameProcess(pid: number): Leftover {
  try {
    return {
      pid,
      name: readFileSync(`/proc/${pid}/comm`, 'latin1').trimEnd(),
      argv: unpackStrings(readFileSync(`/proc/${pid}/cmdline`)),
    };
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' && errnoOf(error) !== 'ESRCH') throw error;
    return { pid, name: '', argv: [] };
  }
}
