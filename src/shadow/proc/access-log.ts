import { OuaError } from '../../base/errors.js';
import type { ProcRead } from '../../plan/model.js';

/** `enum oua_access`, native-shim/fuse.h. */
const access = { file: 1, directory: 2, symlink: 3, missing: 4, listed: 5, writeRefused: 6 } as const;

interface Access {
  readonly access: number;
  /** The thread, as the host numbers it; of a refused write its process. */
  readonly tid: number;
  readonly reader: string;
  readonly path: string;
}

/** More different paths and readers than any update has; what comes on top is counted as lost. */
const entriesMax = 50_000;
/** The same of attempts to write, by paths and processes. */
const writesMax = 50_000;
/** Bytes before the records of a buffer. */
const headerSize = 16;

/**
 * Makes reads out of single look-ups. A path is looked up name by name, so that a directory or link on the way
 * to something else is not told from one that was asked for itself, except by what the same thread does next.
 */
export class AccessLog {
  readonly #reads = new Map<string, ProcRead>();
  /** Paths by process. */
  readonly #writes = new Map<number, Set<string>>();
  #writeCount = 0;
  /** By thread: a directory or link that was found last. */
  readonly #pending = new Map<number, Access>();
  #lost = 0;
  #lostWrites = 0;

  /** Takes in one buffer of `oua_proc_drain` (layout: `oua_log_drain`, native-shim/fuse.h). */
  add(bytes: Buffer): void {
    this.#lost += Number(bytes.readBigUInt64LE(0));
    this.#lostWrites += Number(bytes.readBigUInt64LE(8));
    for (let at = headerSize; at < bytes.length; at += bytes.readUInt16LE(at)) this.#take(decode(bytes, at));
  }

  /** What was looked up or listed, found or not, in the order of the first time. */
  reads(): readonly ProcRead[] {
    for (const tid of [...this.#pending.keys()]) this.#settle(tid);
    return [...this.#reads.values()];
  }

  /**
   * What a process has opened for writing, or tried to make, since the last call about it, each path once; all refused.
   *
   * @throws OuaError `UPDATE_FAILED` once there was no room for one: it may have been this process's.
   */
  takeRefusedWrites(process: number): readonly string[] {
    if (this.#lostWrites > 0)
      throw new OuaError(
        'UPDATE_FAILED',
        `${this.#lostWrites} attempts to write to /proc or /sys came too fast to be noted: which scripts have to run in the ` +
          'guest is not known',
        'plan with --policy defer',
      );
    const paths = [...(this.#writes.get(process) ?? [])];
    this.#writes.delete(process);
    this.#writeCount -= paths.length;
    return paths;
  }

  /** Look-ups that there was no room for. */
  get lost(): number {
    return this.#lost;
  }

  #take(event: Access): void {
    if (event.access === access.writeRefused) return this.#refused(event);
    const before = this.#pending.get(event.tid);
    if (before && isStepTo(before, event)) this.#pending.delete(event.tid);
    else this.#settle(event.tid);

    if (event.access === access.directory || event.access === access.symlink)
      this.#pending.set(event.tid, event);
    else this.#count(event);
  }

  #refused({ tid, path }: Access): void {
    const paths = this.#writes.get(tid) ?? new Set();
    if (paths.has(path)) return;
    if (this.#writeCount >= writesMax) {
      this.#lostWrites++;
      return;
    }
    this.#writes.set(tid, paths.add(path));
    this.#writeCount++;
  }

  #settle(tid: number): void {
    const event = this.#pending.get(tid);
    this.#pending.delete(tid);
    if (event) this.#count(event);
  }

  #count({ access: kind, path, reader }: Access): void {
    const found = kind !== access.missing;
    const key = `${found}\0${reader}\0${path}`;
    const known = this.#reads.get(key);
    if (!known && this.#reads.size >= entriesMax) this.#lost++;
    else this.#reads.set(key, { path, reader, count: (known?.count ?? 0) + 1, found });
  }
}

/** Whether `before` was only found on the way to `event`. */
function isStepTo(before: Access, event: Access): boolean {
  if (event.path.startsWith(`${before.path}/`)) return true;
  if (event.path !== before.path) return false;
  // Listing follows the look-up of the directory; `self` leads to a directory that the log calls `self`.
  return (
    event.access === access.listed || (before.access === access.symlink && event.access === access.directory)
  );
}

/** `/sys` is a hidden directory of the shadow proc: src/shadow/proc/sysfs.ts. */
const hiddenSys = /^\.ouassister\/sys(?=\/|$)/;

function pathOf(logged: string): string {
  if (logged === '') return '/proc';
  return hiddenSys.test(logged) ? logged.replace(hiddenSys, '/sys') : `/proc/${logged}`;
}

function decode(bytes: Buffer, at: number): Access {
  const end = at + bytes.readUInt16LE(at);
  const name = at + 8;
  const path = name + bytes.readUInt8(at + 3);
  return {
    access: bytes.readUInt8(at + 2),
    tid: bytes.readInt32LE(at + 4),
    reader: bytes.toString('utf8', name, path),
    path: pathOf(bytes.toString('utf8', path, end)),
  };
}
