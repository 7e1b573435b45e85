import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { throwIfAborted } from '../base/abort.js';
import { runTool } from '../base/command.js';
import { OuaError } from '../base/errors.js';
import { ResourceStack } from '../base/resources.js';
import { check, loadShim, nativeFiles, ShimError } from '../native/shim.js';
import { cgroupControllers, removeCgroups, removeStaleCgroups } from './cgroups.js';
import { defaultLimits, ociConfig, openFilesLimit, type Limits } from './config.js';
import { makeLogSink } from './log-sink.js';

/** A file of the host that shows up in the sandbox, read-only. */
export interface SandboxFile {
  readonly host: string;
  /** Below {@link ownFolder}: on a file system that is no part of the guest's tree. */
  readonly at: string;
}

export interface SandboxOptions {
  /** Host path of the guest's `/`, from `openShadowFs`. */
  readonly root: string;
  /** The command's argv. A name without a slash is looked up in the guest's own `PATH`. */
  readonly command: readonly string[];
  /** The guest's host name. */
  readonly hostname: string;
  /** Host directory where the shadow proc is mounted, with `/sys` in it. Default: the sandbox keeps its own, bare, procfs and an empty `/sys`. */
  readonly proc?: string;
  /** Host directory that shows up as `/dev/shm`. Default: an empty one. */
  readonly sharedMemory?: string | undefined;
  /** Pids in the sandbox begin above this: the guest's highest. */
  readonly lastPid: number;
  /** Added to a small fixed environment. */
  readonly environment?: Readonly<Record<string, string>>;
  readonly files?: readonly SandboxFile[];
  readonly limits?: Partial<Limits>;
  /** Existing directory for the launcher's files. Default: the system's temporary directory. */
  readonly scratch?: string;
  readonly signal?: AbortSignal;
}

/**
 * A container that runs one command in the shadow filesystem. In order: run `launcher` to its end, `prepare`,
 * `start`, wait for the end of the process that `prepare` named, dispose.
 */
export interface Sandbox extends AsyncDisposable {
  /**
   * argv of the launcher, which creates the container's first process and exits. That process inherits the
   * launcher's standard streams and, when the launcher is traced, the tracer.
   */
  readonly launcher: readonly string[];
  /**
   * Finishes what the launcher made: our `/proc` and the pids. Returns the first process's pid on the host. It
   * stands still until `start`, and then executes our init, which runs the command as its child and exits with
   * the command's status (128 + signal when one ended it, 127 and 126 as a shell has them).
   *
   * @throws OuaError `SANDBOX_FAILED`
   */
  prepare(): number;
  /** Lets the first process go on. */
  start(): Promise<void>;
  /** Why the launcher failed, from its own log. */
  failure(): OuaError;
}

/** Where files of ours are in the sandbox. */
export const ownFolder = '/dev/.ouassister';
/** Where our init is in the sandbox. */
export const initPath = `${ownFolder}/init`;
/** What runs a program before it becomes another, native-shim/rehearse.c; what the tracer redirects to. */
export const rehearsePath = `${ownFolder}/rehearse`;
export const hiddenProcPath = '/proc/.ouassister/real';
/** What the shadow proc has for `/sys`, below where it is mounted. */
const hiddenSys = '.ouassister/sys';
export const stubPath = '/proc/.ouassister/stub';

/**
 * Lays out a container. Nothing runs yet. Disposing it ends whatever still runs in it and removes it.
 *
 * @throws OuaError `INTERRUPTED`
 */
export async function createSandbox(options: SandboxOptions): Promise<Sandbox> {
  throwIfAborted(options.signal);
  removeStaleCgroups();
  await using stack = new ResourceStack();
  const folder = await mkdtemp(join(options.scratch ?? tmpdir(), 'ouassister-sandbox-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const id = `ouassister-${process.pid}-${randomBytes(4).toString('hex')}`;
  const state = join(folder, 'state');
  const log = join(folder, 'log.json');
  const pidFile = join(folder, 'pid');
  const logSocket = join(folder, 'log.socket');
  const files = [
    { host: nativeFiles.init, at: initPath },
    { host: nativeFiles.rehearse, at: rehearsePath },
    { host: logSocket, at: '/dev/log' },
    ...resolverFile(folder),
    ...(options.files ?? []),
  ];
  mkdirSync(state);
  stack.use(await makeLogSink(logSocket));
  writeFileSync(
    join(folder, 'config.json'),
    JSON.stringify(
      ociConfig({
        root: options.root,
        command: [initPath, ...options.command],
        hostname: options.hostname,
        environment: options.environment ?? {},
        limits: { ...defaultLimits, ...options.limits },
        cgroup: `/${id}`,
        controllers: cgroupControllers(),
        files,
        sys: options.proc === undefined ? undefined : join(options.proc, hiddenSys),
        sharedMemory: options.sharedMemory,
        openFiles: openFilesLimit(),
      }),
    ),
  );
  const runc = ['--root', state, '--log', log, '--log-format', 'json'];
  stack.defer(() => removeCgroups(id));
  stack.defer(async () => void (await runTool('runc', [...runc, 'delete', '--force', id])));

  const held = stack.move();
  return {
    launcher: ['runc', ...runc, 'create', '--bundle', folder, '--pid-file', pidFile, id],
    prepare() {
      throwIfAborted(options.signal);
      if (!existsSync(pidFile)) throw failure(log);
      const pid = Number(readFileSync(pidFile, 'latin1'));
      finish(pid, options);
      return pid;
    },
    start: async () => void (await runTool('runc', [...runc, 'start', id])),
    failure: () => failure(log),
    [Symbol.asyncDispose]: () => held[Symbol.asyncDispose](),
  };
}

/** The host's name servers, for as long as its network is used. A copy: no host file is within reach. */
function resolverFile(folder: string): { host: string; at: string }[] {
  const own = '/etc/resolv.conf';
  if (!existsSync(own)) return [];
  const host = join(folder, 'resolv.conf');
  copyFileSync(own, host);
  return [{ host, at: own }];
}

function finish(pid: number, options: SandboxOptions): void {
  const shim = loadShim();
  try {
    check('set the last pid', shim.oua_container_set_last_pid(pid, options.lastPid));
    if (options.proc !== undefined)
      check('put /proc in place', shim.oua_container_enter_proc(pid, options.proc, nativeFiles.stub));
  } catch (error) {
    if (!(error instanceof ShimError)) throw error;
    throw new OuaError(
      'SANDBOX_FAILED',
      `the sandbox is incomplete: ${error.message}`,
      'run `ouassister doctor`',
      {
        cause: error,
      },
    );
  }
}

function failure(log: string): OuaError {
  const lines = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
  const words = lines.map((line) => /"msg":"((?:[^"\\]|\\.)*)"/.exec(line)?.[1] ?? line).pop();
  return new OuaError(
    'SANDBOX_FAILED',
    `the sandbox cannot be made: ${words || 'its launcher said nothing'}`,
    'run `ouassister doctor`',
  );
}
