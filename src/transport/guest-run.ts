import { setTimeout as sleep } from 'node:timers/promises';
import { OuaError } from '../base/errors.js';
import type { GuestAgent, GuestCommand } from './guest-agent.js';
import type { AgentCommand } from './transport.js';

/** In the guest's memory (tmpfs), so that nothing of ours reaches its disk. */
const folder = '/run/ouassister';
const mountPoint = `${folder}/disk`;

const diskAppearsMs = 60_000;
const pollMs = { first: 20, most: 200 };
const maxLineLength = 1 << 20;
const environment = ['PATH=/usr/sbin:/usr/bin:/sbin:/bin', 'LC_ALL=C.UTF-8'];

/** The disk with the agent on it, mounted in the guest; disposing of it unmounts it. */
export class GuestRun implements AsyncDisposable {
  readonly #agent: GuestAgent;
  #runs = 0;

  private constructor(agent: GuestAgent) {
    this.#agent = agent;
  }

  /** Waits until the guest has found the disk with this serial number, and mounts it. */
  static async mount(agent: GuestAgent, serial: string): Promise<GuestRun> {
    const run = new GuestRun(agent);
    const [disk] = await Promise.all([
      findDisk(agent, serial),
      run.#must({ path: '/bin/mkdir', args: ['-p', '-m', '700', mountPoint] }),
    ]);
    await run.#must({ path: '/bin/mount', args: ['-t', 'ext4', '-o', 'ro,nosuid,nodev', disk, mountPoint] });
    return run;
  }

  /** As {@link Delivery.run}. */
  async *run(command: AgentCommand, signal?: AbortSignal): AsyncGenerator<string> {
    const report = `${folder}/report-${this.#runs++}`;
    const stream = command === 'apply' ? ['--stream', `${mountPoint}/stream`] : [];
    const pid = await this.#agent.start({
      path: `${mountPoint}/agent`,
      args: [command, ...stream, '--report', report],
      env: environment,
    });
    const tail = new ReportTail(this.#agent, report);
    let asked = false;
    for (let pause = pollMs.first; ; pause = Math.min(pause * 1.2, pollMs.most)) {
      if (signal?.aborted && !asked) {
        asked = true;
        await this.#must({ path: '/bin/kill', args: ['-TERM', String(pid)] });
      }
      const ended = await this.#ended(pid);
      const lines = await tail.read();
      yield* lines;
      if (ended) return;
      if (lines.length > 0) pause = pollMs.first;
      else await sleep(pause);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#must({ path: '/bin/umount', args: [mountPoint] });
    await this.#must({ path: '/bin/rm', args: ['-r', folder] });
  }

  /** The guest agent forgets its children when it is restarted by the update itself: look for the process then. */
  async #ended(pid: number): Promise<boolean> {
    try {
      return (await this.#agent.execute('guest-exec-status', { pid })).exited;
    } catch (error) {
      if (!(error instanceof OuaError) || error.code !== 'VM_REFUSED') throw error;
      const name = await this.#agent.readFile(`/proc/${pid}/comm`, 64).catch(() => Buffer.alloc(0));
      return name.toString().trim() !== 'agent';
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

function absent(error: unknown): undefined {
  if (error instanceof OuaError && error.code === 'VM_REFUSED') return undefined;
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

  constructor(agent: GuestAgent, path: string) {
    this.#agent = agent;
    this.#path = path;
  }

  async read(): Promise<string[]> {
    try {
      const lines: string[] = [];
      for (let eof = false; !eof;) {
        if (this.#handle === undefined) await this.#open();
        const part = await this.#agent.execute('guest-file-read', { handle: this.#handle, count: 1 << 20 });
        lines.push(...this.#take(Buffer.from(part['buf-b64'], 'base64')));
        eof = part.eof || part.count === 0;
      }
      return lines;
    } catch (error) {
      // Not there yet, or the guest agent was restarted and knows the handle no more.
      this.#handle = absent(error);
      return [];
    }
  }

  async #open(): Promise<void> {
    this.#handle = await this.#agent.execute('guest-file-open', { path: this.#path, mode: 'r' });
    this.#skip = this.#taken;
  }

  #take(data: Buffer): string[] {
    const skipped = Math.min(this.#skip, data.length);
    this.#skip -= skipped;
    const fresh = data.subarray(skipped);
    this.#taken += fresh.length;
    this.#rest = Buffer.concat([this.#rest, fresh]);
    const end = this.#rest.lastIndexOf(0x0a) + 1;
    const lines = this.#rest.subarray(0, end).toString().split('\n').slice(0, -1);
    this.#rest = Buffer.from(this.#rest.subarray(end));
    if (this.#rest.length > maxLineLength)
      throw new OuaError('AGENT_FAILED', 'the agent in the guest says too much', 'look into the guest');
    return lines;
  }
}
