import { setTimeout as sleep } from 'node:timers/promises';
import { throwIfAborted } from '../base/abort.js';
import { OuaError } from '../base/errors.js';
import type { GuestAgent, GuestCommand } from './guest-agent.js';
import type { AgentCommand } from './transport.js';

/** In the guest's memory (tmpfs), so that nothing of ours reaches its disk. */
const folder = '/run/ouassister';
const mountPoint = `${folder}/disk`;

const diskAppearsMs = 60_000;
const pollMs = { first: 20, most: 200 };
const maxLineLength = 1 << 20;
const maxReportLength = 1 << 28;

/** Of the agent (`enum agent_exit`), and of what should have become it: it has done nothing. */
const notStarted = new Set([2, 127]);

const environment = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8'];

/** How long the guest may give no sign, while the agent runs, until it is given up. */
const silenceMs = 600_000;

/** The disk with the agent on it, mounted in the guest; disposing of it unmounts it, unless the agent may still run. */
export class GuestRun implements AsyncDisposable {
  readonly #agent: GuestAgent;
  readonly #serial: string;
  readonly #silenceMs: number;
  #runs = 0;
  #started = false;
  #running = false;

  private constructor(agent: GuestAgent, serial: string, silence: number) {
    this.#agent = agent;
    this.#serial = serial;
    this.#silenceMs = silence;
  }

  /**
   * Waits until the guest has found the disk with this serial number, and mounts it.
   *
   * @param options `silenceMs`: how long the guest may give no sign during a run, 10 minutes when left out
   */
  static async mount(
    agent: GuestAgent,
    serial: string,
    options: { readonly silenceMs?: number } = {},
  ): Promise<GuestRun> {
    const run = new GuestRun(agent, serial, options.silenceMs ?? silenceMs);
    const [disk] = await Promise.all([
      findDisk(agent, serial),
      run.#must({ path: '/bin/mkdir', args: ['-p', '-m', '700', mountPoint] }),
    ]);
    await run.#must({ path: '/bin/mount', args: ['-t', 'ext4', '-o', 'ro,nosuid,nodev', disk, mountPoint] });
    return run;
  }

  /** Whether the agent was started, as far as that can be known: a start without an answer counts as one. */
  get started(): boolean {
    return this.#started;
  }

  /** Whether an agent was started whose end was not seen. */
  get running(): boolean {
    return this.#running;
  }

  /** As {@link Delivery.run}. */
  async *run(command: AgentCommand, signal?: AbortSignal): AsyncGenerator<string> {
    throwIfAborted(signal);
    // What another run has left, in the same boot, is not what this one says.
    const report = `${folder}/report-${this.#serial}-${this.#runs++}`;
    const before = this.#started;
    const pid = await this.#start(command, report);
    const tail = new ReportTail(this.#agent, report);
    let asked = false;
    let lastSign = Date.now();
    for (let pause = pollMs.first; ; pause = Math.min(pause * 1.2, pollMs.most)) {
      try {
        if (signal?.aborted && !asked) {
          await this.#askToStop(pid);
          asked = true;
        }
        if (this.#running) {
          const exit = await this.#exit(pid);
          this.#running = exit === undefined;
          if (exit?.code !== undefined && notStarted.has(exit.code)) {
            this.#started = before;
            throw new OuaError(
              'AGENT_FAILED',
              `the agent did not start in the guest: exit status ${exit.code}`,
              'look into the guest',
            );
          }
        }
        await tail.read();
        lastSign = Date.now();
      } catch (error) {
        this.#bear(error, lastSign);
        await sleep(pause);
        continue;
      }
      const lines = tail.take();
      yield* lines;
      // What was read after its end is all that it said.
      if (!this.#running && tail.atEnd) return;
      if (lines.length > 0 || !tail.atEnd) pause = pollMs.first;
      else await sleep(pause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#running) return;
    await this.#must({ path: '/bin/umount', args: [mountPoint] });
    await this.#must({ path: '/bin/rm', args: ['-r', folder] });
  }

  async #start(command: AgentCommand, report: string): Promise<number> {
    const before = this.#started;
    const stream = command === 'apply' ? ['--stream', `${mountPoint}/stream`] : [];
    const args = [command, ...stream, '--report', report];
    this.#started = this.#running = true;
    try {
      return await this.#agent.start({ path: `${mountPoint}/agent`, args, env: environment });
    } catch (error) {
      if (!isRefusal(error)) throw this.#leftRunning(error);
      this.#started = before;
      this.#running = false;
      throw error;
    }
  }

  /** Lets a guest that is too busy to answer be asked again, for as long as there is hope. */
  #bear(error: unknown, lastSign: number): void {
    const silent = error instanceof OuaError && error.code === 'VM_UNREACHABLE' && !this.#agent.gone;
    if (!silent || Date.now() - lastSign > this.#silenceMs) throw this.#leftRunning(error);
  }

  #leftRunning(error: unknown): unknown {
    if (!this.#running || !(error instanceof OuaError)) return error;
    return new OuaError(
      error.code,
      `${error.message}; the agent may still run in the guest, its disk ${this.#serial} stays plugged in`,
      `look for ${mountPoint}/agent in the guest; when it has ended: umount ${mountPoint} there, device_del ${this.#serial} over QMP`,
      { cause: error },
    );
  }

  /** An agent that has ended meanwhile can't be asked, and needs not. */
  async #askToStop(pid: number): Promise<void> {
    try {
      await this.#agent.run({ path: '/bin/kill', args: ['-TERM', String(pid)], env: environment });
    } catch (error) {
      absent(error);
    }
  }

  /** The guest agent forgets its children when it is restarted by the update itself: look for the process then. */
  async #exit(pid: number): Promise<{ readonly code?: number | undefined } | undefined> {
    try {
      const { exited, exitcode } = await this.#agent.execute('guest-exec-status', { pid });
      return exited ? { code: exitcode } : undefined;
    } catch (error) {
      absent(error);
      const name = await this.#agent.readFile(`/proc/${pid}/comm`, 64).catch(absent);
      return name?.toString().trim() === 'agent' ? undefined : {};
    }
  }

  async #must(command: GuestCommand): Promise<void> {
    const exit = await this.#agent.run({ ...command, env: environment }, { timeoutMs: 60_000 });
    if (exit.exitCode === 0) return;
    const words = exit.stderr.toString().trim().split('\n').pop() ?? '';
    throw new OuaError(
      'AGENT_FAILED',
      `${command.path} ${command.args?.join(' ') ?? ''} failed in the guest: ${words}`,
      'look into the guest',
    );
  }
}

/** The serial number is in sysfs as soon as the device is there, without udev. */
async function findDisk(agent: GuestAgent, serial: string): Promise<string> {
  const end = Date.now() + diskAppearsMs;
  const others = new Set<string>();
  while (Date.now() < end) {
    for (const name of (await virtioDisks(agent)).filter((disk) => !others.has(disk))) {
      const found = await agent.readFile(`/sys/block/${name}/serial`, 4096).catch(absent);
      if (found?.toString().trim() === serial) return `/dev/${name}`;
      if (found) others.add(name);
    }
    await sleep(pollMs.first);
  }
  throw new OuaError(
    'AGENT_FAILED',
    `the guest did not find the disk ${serial}`,
    'check that the guest has the virtio_blk driver and hot-plug support',
  );
}

/** `virtio_blk` calls them vda … vdz, vdaa …; proc(5) has one line a disk or partition. */
async function virtioDisks(agent: GuestAgent): Promise<string[]> {
  const partitions = (await agent.readFile('/proc/partitions', 1 << 20)).toString();
  return partitions.match(/\bvd[a-z]+$/gm) ?? [];
}

function isRefusal(error: unknown): boolean {
  return error instanceof OuaError && error.code === 'VM_REFUSED';
}

function absent(error: unknown): undefined {
  if (isRefusal(error)) return undefined;
  throw error;
}

/** Reads a file of the guest as it grows, whole lines at a time. */
class ReportTail {
  readonly #agent: GuestAgent;
  readonly #path: string;
  #handle: number | undefined;
  /** Bytes that were taken; a new handle starts at the beginning. */
  #taken = 0;
  #skip = 0;
  #rest = Buffer.alloc(0);
  #lines: string[] = [];
  #atEnd = false;

  constructor(agent: GuestAgent, path: string) {
    this.#agent = agent;
    this.#path = path;
  }

  /** Whole lines that were read and not taken yet. */
  take(): string[] {
    return this.#lines.splice(0);
  }

  /** Whether the last read came to what was the end then. */
  get atEnd(): boolean {
    return this.#atEnd;
  }

  /**
   * Reads on, one part: what is kept of a guest that never stops is bounded. A file that is not there yet is an empty one.
   *
   * @throws OuaError `VM_UNREACHABLE` when the guest agent opens the file and will not read it.
   */
  async read(): Promise<void> {
    const held = this.#handle;
    // Whatever happens to a read, its answer may be lost: the next one is by a new handle.
    this.#handle = undefined;
    this.#atEnd = false;
    // A guest agent that was restarted knows the handle no more.
    if (held !== undefined && (await this.#readBy(held))) return;
    const fresh = await this.#open();
    if (fresh === undefined) this.#atEnd = true;
    else if (!(await this.#readBy(fresh)))
      throw new OuaError(
        'VM_UNREACHABLE',
        `the guest agent does not read ${this.#path}`,
        'look into the guest',
      );
  }

  /** False: the guest agent refuses. */
  async #readBy(handle: number): Promise<boolean> {
    const part = await this.#agent.execute('guest-file-read', { handle, count: 1 << 20 }).catch(absent);
    if (part === undefined) return false;
    this.#handle = handle;
    this.#atEnd = part.eof || part.count === 0;
    this.#keep(Buffer.from(part['buf-b64'], 'base64'));
    return true;
  }

  async #open(): Promise<number | undefined> {
    this.#skip = this.#taken;
    return this.#agent.execute('guest-file-open', { path: this.#path, mode: 'r' }).catch(absent);
  }

  #keep(data: Buffer): void {
    const skipped = Math.min(this.#skip, data.length);
    this.#skip -= skipped;
    const fresh = data.subarray(skipped);
    this.#taken += fresh.length;
    this.#rest = Buffer.concat([this.#rest, fresh]);
    const end = this.#rest.lastIndexOf(0x0a) + 1;
    this.#lines.push(...this.#rest.subarray(0, end).toString().split('\n').slice(0, -1));
    this.#rest = Buffer.from(this.#rest.subarray(end));
    if (this.#rest.length > maxLineLength || this.#taken > maxReportLength)
      throw new OuaError('AGENT_FAILED', 'the agent in the guest says too much', 'look into the guest');
  }
}
