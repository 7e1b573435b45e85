import { readFileSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { execa } from 'execa';
import { toolEnvironment } from '../../../src/base/command.js';
import { errnoOf, OuaError } from '../../../src/base/errors.js';
import { ResourceStack } from '../../../src/base/resources.js';
import { ContainerCgroup } from './container-cgroup.js';

/** How long systemd may take to start, and to come to rest: a hang guard. */
const patienceMs = 120_000;

/** Where {@link ContainerOptions.shared} is in the container: on a tmpfs, which is no part of the tree. */
export const sharedInside = '/run/oracle';

export interface ContainerOptions {
  /** The tree, which the container writes to. */
  readonly root: string;
  /** A folder of the host that it sees, read-only. */
  readonly shared: string;
  readonly signal: AbortSignal;
}

/** Fields of a process in a container that a program there gets as its own. */
const namespaces = ['--mount', '--uts', '--ipc', '--net', '--pid', '--cgroup', '--root', '--wd'];

/**
 * A tree that is booted in a container: its systemd runs as process 1, without a network, and starts and stops the
 * tree's real services. It is made by systemd-nspawn(1).
 */
export class Container implements AsyncDisposable {
  readonly #nspawn: Nspawn;
  readonly #leader: number;
  readonly #resources: ResourceStack;
  readonly #signal: AbortSignal;

  private constructor(nspawn: Nspawn, leader: number, resources: ResourceStack, signal: AbortSignal) {
    this.#nspawn = nspawn;
    this.#leader = leader;
    this.#resources = resources;
    this.#signal = signal;
  }

  /**
   * Boots a tree and returns when its systemd has started what it starts.
   *
   * @throws OuaError `HOST_FAILED` with nspawn's own words, `INTERRUPTED`
   */
  static async boot({ root, shared, signal }: ContainerOptions): Promise<Container> {
    await using resources = new ResourceStack();
    const cgroup = resources.use(new ContainerCgroup());
    const nspawn = startNspawn(command(root, shared, cgroup));
    resources.defer(() => rmdirIfThere(join('/run/systemd/nspawn/propagate', cgroup.name)));
    resources.defer(async () => {
      nspawn.kill('SIGKILL');
      await nspawn;
    });
    const leader = await findLeader(nspawn, signal);
    const container = new Container(nspawn, leader, resources.move(), signal);
    try {
      await container.#started();
      return container;
    } catch (error) {
      await container[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Host argv that runs a program in the container. It belongs to no unit there, like one that an agent started. */
  enter(argv: readonly string[]): string[] {
    return ['nsenter', `--target=${this.#leader}`, ...namespaces, '--', ...argv];
  }

  /** Runs a program to its end. One that fails is not an error. */
  async run(
    argv: readonly string[],
    environment: Readonly<Record<string, string>> = toolEnvironment,
  ): Promise<{ readonly exitStatus: number; readonly stdout: string; readonly stderr: string }> {
    const [program, ...args] = this.enter(argv);
    const result = await execa(program!, args, {
      env: environment,
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
      maxBuffer: 64 << 20,
      stripFinalNewline: false,
      cancelSignal: this.#signal,
    });
    if (result.isCanceled) throw new OuaError('INTERRUPTED', 'interrupted', 'run it again');
    return {
      exitStatus: result.exitCode ?? 128,
      stdout: String(result.stdout),
      stderr: String(result.stderr),
    };
  }

  /** Ends it at once, as a power cut would; what it wrote is in the tree. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#resources[Symbol.asyncDispose]();
  }

  async #started(): Promise<void> {
    for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(100)) {
      if (this.#nspawn.exitCode !== null) throw await bootFailed(this.#nspawn);
      const { stdout } = await this.run(['/bin/systemctl', 'is-system-running']);
      // A unit that has no place in a container makes it `degraded`.
      if (/^(running|degraded)$/m.test(stdout)) return;
    }
    throw new OuaError('HOST_FAILED', 'the container does not come to rest', 'look what its units wait for');
  }
}

type Nspawn = ReturnType<typeof startNspawn>;

function startNspawn(argv: readonly string[]) {
  return execa('setpriv', ['--pdeathsig', 'KILL', '--', ...argv], {
    // Its /tmp is on the disk, as the guest's is.
    env: { ...toolEnvironment, SYSTEMD_NSPAWN_TMPFS_TMP: '0' },
    extendEnv: false,
    reject: false,
    detached: true,
    stdin: 'ignore',
    all: true,
  });
}

/**
 * nspawn makes a cgroup for itself and one for its payload below the one that it is in; without a machine manager it
 * would make them in the host's top one.
 */
function command(root: string, shared: string, cgroup: ContainerCgroup): string[] {
  const enter = cgroup.entrances.map((path) => `echo 0 >${path}`).join(' && ');
  return [
    ...['sh', '-ec', `${enter} && exec "$@"`, 'sh'],
    // A container outlives a killed nspawn; a pid namespace does not outlive its first process.
    ...['unshare', '--mount', '--pid', '--fork', '--kill-child', '--mount-proc'],
    ...['systemd-nspawn', '--quiet', '--boot', `--machine=${cgroup.name}`, `--directory=${root}`],
    ...['--register=no', '--keep-unit', '--private-network', '--console=pipe', '--hostname=guest'],
    // The tree is to be what the guest makes of it. Nothing outlives the comparison, so nothing is synced.
    ...['--resolv-conf=off', '--timezone=off', '--link-journal=no', '--suppress-sync=yes'],
    `--bind-ro=${shared}:${sharedInside}`,
  ];
}

/** The container's process 1. */
async function findLeader(nspawn: Nspawn, signal: AbortSignal): Promise<number> {
  for (const end = Date.now() + patienceMs; Date.now() < end; await sleep(20)) {
    if (signal.aborted) throw new OuaError('INTERRUPTED', 'interrupted', 'run it again');
    if (nspawn.exitCode !== null || nspawn.pid === undefined) throw await bootFailed(nspawn);
    const leader = childrenOf(nspawn.pid)
      .flatMap(childrenOf)
      .find((pid) => /^NSpid:.*\t1$/m.test(readProc(pid, 'status')));
    if (leader !== undefined) return leader;
  }
  throw new OuaError('HOST_FAILED', 'the container does not start', 'see what systemd-nspawn says');
}

async function bootFailed(nspawn: Nspawn): Promise<OuaError> {
  const { all } = await nspawn;
  const words = String(all).trim().split('\n').slice(-3).join(' / ');
  return new OuaError(
    'HOST_FAILED',
    `the container ended by itself: ${words}`,
    'see whether systemd-nspawn is installed, and whether fs.inotify.max_user_instances is used up',
  );
}

function childrenOf(pid: number): number[] {
  return readProc(pid, `task/${pid}/children`).trim().split(' ').filter(Boolean).map(Number);
}

/** '' for a process that has ended. */
function readProc(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'latin1');
  } catch (error) {
    if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'ESRCH') return '';
    throw error;
  }
}

function rmdirIfThere(path: string): void {
  try {
    rmdirSync(path);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
