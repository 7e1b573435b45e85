import { closeSync, constants, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { errnoOf, OuaError } from '../base/errors.js';
import { check, loadShim } from '../native/shim.js';
import { uidsOf } from './credentials.js';
import { pathInRoot } from './paths.js';
import { unpackStrings, type EventRecord } from './records.js';
import type { DescriptorKind, ExecStop } from './tracer.js';

/** Errnos with which the tracee's own call is going to fail. */
const noProgram: readonly number[] = [
  os.errno.ENOENT,
  os.errno.ENOTDIR,
  os.errno.ELOOP,
  os.errno.EACCES,
  os.errno.EINVAL,
  os.errno.ENAMETOOLONG,
  os.errno.ESRCH,
];

/** Unix98 pseudo-terminals have these majors, admin-guide/devices.txt; their minors are below 256. */
const slaveMajors = new Set([136, 137, 138, 139, 140, 141, 142, 143]);

/** `/dev/null`, admin-guide/devices.txt. */
const nullDevice = (1 << 8) | 3;

/** An exec stop as handlers see it. */
export class HeldExec implements ExecStop {
  readonly sequence: number;
  readonly pid: number;
  readonly parent: number;
  readonly path: Buffer;
  readonly absolutePath: Buffer;
  readonly cwd: Buffer;
  readonly root: Buffer;
  readonly argv: readonly Buffer[];
  readonly environment: readonly Buffer[];
  readonly #tid: number;
  readonly #base: Buffer;
  readonly #directoryFd: number;

  constructor(
    record: EventRecord,
    readonly quiesce: () => Promise<void>,
    readonly kill: (pids: readonly number[]) => Promise<void>,
  ) {
    this.sequence = record.status - 1;
    this.pid = record.other;
    this.parent = record.argument(0);
    this.#tid = record.tid;
    this.#directoryFd = record.argument(1);
    const [path, absolute, cwd, root, base, argv, environment] = record.strings();
    if (!path || !absolute || !cwd || !root || !base || !argv || !environment)
      throw new RangeError('an exec stop without its strings');
    this.path = path;
    this.absolutePath = absolute;
    this.cwd = cwd;
    this.root = root;
    this.#base = base;
    this.argv = unpackStrings(argv);
    this.environment = unpackStrings(environment);
  }

  readProgram(limit: number): Buffer | undefined {
    const fd = this.path.length === 0 ? this.#openDescriptor() : this.#openPath();
    if (fd === undefined) return undefined;
    try {
      const program = readUpTo(fd, limit);
      if (program) return program;
    } finally {
      closeSync(fd);
    }
    throw new OuaError(
      'TRACE_FAILED',
      `the program '${this.absolutePath.toString()}' has more than ${limit} bytes`,
      'programs of this size are not recorded',
    );
  }

  uids(): readonly [real: number, effective: number] {
    return uidsOf(this.#tid);
  }

  descriptor(number: number): DescriptorKind | undefined {
    const status = statSync(`/proc/${this.#tid}/fd/${number}`, { throwIfNoEntry: false });
    if (status?.isFIFO()) return 'pipe';
    if (!status?.isCharacterDevice()) return status && 'other';
    if (status.rdev === nullDevice) return 'null';
    return slaveMajors.has(status.rdev >> 8) ? 'terminal' : 'other';
  }

  #openPath(): number | undefined {
    const path = Buffer.concat([
      pathInRoot({ path: this.path, base: this.#base, root: this.root }),
      Buffer.of(0),
    ]);
    const fd = loadShim().oua_trace_open_program(this.#tid, path);
    if (noProgram.includes(-fd)) return undefined;
    return check(`open '${this.absolutePath.toString()}'`, fd);
  }

  /** fexecve(3): the descriptor is the program. */
  #openDescriptor(): number | undefined {
    const link = `/proc/${this.#tid}/fd/${this.#directoryFd}`;
    try {
      // Another thread may put a pipe there meanwhile: its other end must not be waited for.
      const flags = constants.O_RDONLY | constants.O_NONBLOCK;
      return statSync(link).isFile() ? openSync(link, flags) : undefined;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EACCES') return undefined;
      throw error;
    }
  }
}

/** A whole file, or undefined when it is longer than `limit`: it may grow while it is read. */
function readUpTo(fd: number, limit: number): Buffer | undefined {
  const size = Math.min(fstatSync(fd).size, limit) + 1;
  const chunks: Buffer[] = [];
  for (let total = 0; total <= limit;) {
    const chunk = Buffer.alloc(Math.min(size, limit + 1 - total));
    const length = readSync(fd, chunk);
    if (length === 0) return Buffer.concat(chunks);
    chunks.push(chunk.subarray(0, length));
    total += length;
  }
  return undefined;
}
