import { throwIfAborted } from '../../base/abort.js';
import { OuaError } from '../../base/errors.js';
import type { Guest } from '../../guest/guest.js';
import { check, loadShim, ShimError, type Shim } from '../../native/shim.js';
import type { ProcRead } from '../../plan/model.js';
import { AccessLog } from './access-log.js';
import { packTree } from './pack.js';
import { procTable } from './table.js';
import { renderTreeInTurns, type Absence } from './tree.js';

/** The shim keeps 1 MiB of accesses; a busy run fills that in far more than this time. */
const drainMilliseconds = 100;
const drainBytes = 1 << 18;

/** A mounted shadow `/proc`. Disposing it unmounts it; what was read stays readable. */
export interface ShadowProc extends AsyncDisposable {
  /** Host directory that it is mounted on. */
  readonly directory: string;
  /**
   * Takes the procfs on `.ouassister/real` as the tracees' own. Call it for each sandbox, when it has both in
   * place; a further one takes the place of the one before. Before the first, no tracee has a directory, and `self` is the caller's number on the host.
   *
   * @param pid The sandbox's first process, by its number on the host.
   * @param path Where the shadow proc is in that process's root.
   * @throws OuaError `SANDBOX_FAILED` when no procfs is there.
   */
  attach(pid: number, path?: string): void;
  /**
   * From now on the directories of these processes of the guest are not found, and no others are hidden. What else of
   * `/proc` tells of them stays.
   */
  hide(pids: ReadonlySet<number>): void;
  /** Paths looked at so far and by whom, found or not. */
  reads(): readonly ProcRead[];
  /**
   * Paths below `/proc` and `/sys` that a process has tried to write to since the last call about it, in order and each once:
   * all refused with EROFS (EACCES for a new file), as a container manager's `/proc/sys` does.
   *
   * @param process by its number on the host
   * @throws OuaError `UPDATE_FAILED` once there was no room for one, whoever's.
   */
  takeRefusedWrites(process: number): readonly string[];
  /** Id of the thread that serves it. */
  readonly thread: number;
  /** How many look-ups the log had no room for. */
  readonly lost: number;
  /** Files that the guest has and its memory does not tell, with the reason. */
  readonly absences: readonly Absence[];
}

/** A guest's `/proc` as the shim serves it. It can be mounted several times. */
export interface RenderedProc {
  readonly packed: Buffer;
  readonly absences: readonly Absence[];
}

export interface ShadowProcOptions {
  readonly guest: Guest;
  /** Default: it is rendered now. */
  readonly rendered?: RenderedProc;
  /** An empty directory to mount on. */
  readonly directory: string;
  readonly signal?: AbortSignal;
  readonly shim?: Shim;
}

/**
 * Renders the guest's `/proc`, in turns: others get on with their work between two of its files.
 *
 * @throws what the guest's methods throw
 */
export async function renderShadowProc(guest: Guest): Promise<RenderedProc> {
  const absences: Absence[] = [];
  const tree = await renderTreeInTurns(guest, procTable, (absence) => absences.push(absence));
  return { packed: packTree(tree, guest.wallClock()), absences };
}

/**
 * Serves the guest's `/proc` from a thread of the shim until it is disposed.
 *
 * @throws OuaError `HOST_UNSUPPORTED` when FUSE cannot be mounted, `INTERRUPTED`, and what rendering throws.
 */
export async function mountShadowProc(options: ShadowProcOptions): Promise<ShadowProc> {
  const { directory, signal, shim = loadShim() } = options;
  throwIfAborted(signal);
  const { packed, absences } = await (options.rendered ?? renderShadowProc(options.guest));
  throwIfAborted(signal);
  return new MountedProc(shim, directory, start(shim, directory, packed), absences);
}

class MountedProc implements ShadowProc {
  readonly #log = new AccessLog();
  readonly #buffer = Buffer.alloc(drainBytes);
  readonly #timer: NodeJS.Timeout;
  #mounted = true;
  #hidden: ReadonlySet<number> = new Set();

  constructor(
    private readonly shim: Shim,
    readonly directory: string,
    private readonly handle: number,
    readonly absences: readonly Absence[],
  ) {
    this.#timer = setInterval(() => this.#drain(), drainMilliseconds).unref();
  }

  get thread(): number {
    return check('ask for the thread of the shadow proc', this.shim.oua_proc_thread(this.handle));
  }

  attach(pid: number, path = 'proc'): void {
    attach(this.shim, this.handle, pid, path);
  }

  hide(pids: ReadonlySet<number>): void {
    const set = (pid: number, hidden: boolean) =>
      check(`hide process ${pid}`, this.shim.oua_proc_hide(this.handle, pid, Number(hidden)));
    for (const pid of pids) if (!this.#hidden.has(pid)) set(pid, true);
    for (const pid of this.#hidden) if (!pids.has(pid)) set(pid, false);
    this.#hidden = pids;
  }

  reads(): readonly ProcRead[] {
    this.#drain();
    return this.#log.reads();
  }

  takeRefusedWrites(process: number): readonly string[] {
    this.#drain();
    return this.#log.takeRefusedWrites(process);
  }

  get lost(): number {
    return this.#log.lost;
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (!this.#mounted) return Promise.resolve();
    clearInterval(this.#timer);
    this.#drain();
    this.#mounted = false;
    return Promise.resolve().then(() => stop(this.shim, this.handle, this.directory));
  }

  #drain(): void {
    for (let used = drainBytes; this.#mounted && used > drainBytes / 2;) {
      const { shim, handle } = this;
      used = check('drain the log of the shadow proc', shim.oua_proc_drain(handle, this.#buffer, drainBytes));
      this.#log.add(this.#buffer.subarray(0, used));
    }
  }
}

function start(shim: Shim, directory: string, packed: Buffer): number {
  try {
    return check('mount the shadow proc', shim.oua_proc_start(directory, packed, packed.length));
  } catch (error) {
    throw new OuaError(
      'HOST_UNSUPPORTED',
      `the shadow proc cannot be mounted on ${directory}: ${reason(error)}`,
      'run as root on a host with /dev/fuse; `ouassister doctor` tells what is missing',
      { cause: error },
    );
  }
}

function attach(shim: Shim, handle: number, pid: number, path: string): void {
  try {
    check("take the sandbox's procfs", shim.oua_proc_attach(handle, pid, path));
  } catch (error) {
    throw new OuaError(
      'SANDBOX_FAILED',
      `the sandbox's own procfs is not in the shadow proc of process ${pid}: ${reason(error)}`,
      'report this',
      { cause: error },
    );
  }
}

function stop(shim: Shim, handle: number, directory: string): void {
  try {
    check('unmount the shadow proc', shim.oua_proc_stop(handle));
  } catch (error) {
    throw new OuaError(
      'HOST_FAILED',
      `the shadow proc on ${directory} cannot be unmounted: ${reason(error)}`,
      `unmount it by hand: umount --lazy ${directory}`,
      { cause: error },
    );
  }
}

const reason = (error: unknown) => (error instanceof ShimError ? error.code : String(error));
