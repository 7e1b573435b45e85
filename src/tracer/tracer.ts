import type { CallEvent } from './call-event.js';
import type { SyscallName } from './numbers.js';

/** A process of the traced tree at one of its execve(2) or execveat(2) calls; it stands still until the handler returns. */
export interface ExecStop {
  /** Counts the execs of armed processes from 0, in the order in which they began. */
  readonly sequence: number;
  /** Thread group ids as the host's root pid namespace numbers them. */
  readonly pid: number;
  /** The process that made this one; it may have ended since. */
  readonly parent: number;
  /** Path as given (raw bytes, perhaps relative, empty for fexecve). */
  readonly path: Buffer;
  readonly argv: readonly Buffer[];
  /** `NAME=value`, in order. */
  readonly environment: readonly Buffer[];
  /** Working directory, absolute from the top of the tracee's mount namespace (in a container: its root). */
  readonly cwd: Buffer;
  /** The tracee's root directory in the same terms: `/` unless it did chroot(2). */
  readonly root: Buffer;
  /**
   * `path` made absolute in the same terms (joined with `root` and `cwd` or the descriptor that execveat was
   * given, `.` and `..` resolved by name, not above `root`). Symbolic links are not followed.
   */
  readonly absolutePath: Buffer;
  /**
   * The program's bytes, found as the tracee would find it: every symbolic link is resolved inside the
   * tracee's own root. Undefined when there is no such regular file (the call is then going to fail).
   *
   * @throws OuaError `TRACE_FAILED` when it is longer than `limit` bytes.
   */
  readProgram(limit: number): Buffer | undefined;
  /** Of the caller: a set-user-id program's own come with it. */
  uids(): readonly [real: number, effective: number];
  /** What that descriptor of the caller is open on; undefined: it is closed. */
  descriptor(number: number): DescriptorKind | undefined;
  /**
   * Resolves once every other tracee stands still too; they go on after the handler's decision. What the run
   * has written so far is then complete and can be collected, and each birth and end so far has been told.
   *
   * @throws OuaError `TRACE_FAILED` when one does not stop within ten seconds.
   */
  quiesce(): Promise<void>;
  /**
   * Quiesces, and ends processes by SIGKILL. Resolves once their ends have been told; the others stand still then. One that
   * has waited for the end of another may have gone on in between, and have started a further one: its birth was told, too.
   *
   * @param pids as events have them; those of processes that have ended are passed over
   * @throws OuaError `TRACE_FAILED` when one does not die within ten seconds, and as `quiesce`.
   */
  kill(pids: readonly number[]): Promise<void>;
}

/** `terminal`: a pseudo-terminal, pty(7); `null`: null(4); `pipe`: a pipe or a FIFO. */
export type DescriptorKind = 'terminal' | 'null' | 'pipe' | 'other';

/** What to do with an exec call: let it go on, perhaps with another argv, run another program, or fail it with an errno. */
export type ExecDecision =
  /** `argv`: instead of the caller's; words without NUL, one at least. */
  | { readonly action: 'continue'; readonly argv?: readonly Uint8Array[] }
  /** `path` is absolute, without symbolic links and as the tracee sees it; the program there must not be a script. */
  | { readonly action: 'redirect'; readonly path: string; readonly argv?: readonly Uint8Array[] }
  | { readonly action: 'fail'; readonly errno: number };

/** A call of the traced tree that names a process of the guest; the caller stands still until the handler returns. */
export interface CallStop {
  readonly name: SyscallName;
  /** The caller's thread group id as the host's root pid namespace numbers it. */
  readonly pid: number;
  /** Whether it is made by the rules of 32-bit x86: structures of that layout. */
  readonly compat: boolean;
  /** For calls on a descriptor: the pid that `stand-in` gave it. */
  readonly target: number | undefined;
  /** An argument as the kernel takes an int: its low 32 bits. Arguments are counted from 0. */
  int(argument: number): number;
  isNull(argument: number): boolean;
  /** So many bytes where an argument points, or undefined when they cannot be read. */
  read(argument: number, length: number): Buffer | undefined;
  /** Of the caller. */
  uids(): readonly [real: number, effective: number];
}

/** What to do with such a call: leave it to the kernel, or give the caller a result without the kernel. */
export type CallDecision =
  | { readonly action: 'continue' }
  | { readonly action: 'fail'; readonly errno: number }
  /** `data.bytes` are written where that argument points; when that fails, the call fails with EFAULT. */
  | {
      readonly action: 'answer';
      readonly result: number;
      readonly data?: { readonly argument: number; readonly bytes: Uint8Array };
    }
  /**
   * The call returns a descriptor that never becomes readable, and that later calls know as this process of the
   * guest, whoever has a copy of it. `flags` are those of signalfd4(2).
   */
  | { readonly action: 'stand-in'; readonly pid: number; readonly flags: number };

/** How a process or a traced command ended. */
export interface Exit {
  /** As a shell shows it: the exit status, or 128 + the signal's number. */
  readonly exitStatus: number;
  /** Number of the signal that ended it. */
  readonly signal?: number;
}

/** What an exec call was given; see ExecStop. */
export type ExecCall = Pick<ExecStop, 'sequence' | 'path' | 'absolutePath' | 'argv'>;

/** Something that happened in the traced tree. All pids as the host's root pid namespace numbers them. */
export type TraceEvent =
  | { readonly type: 'fork'; readonly pid: number; readonly child: number; readonly thread: boolean }
  /** A new program runs. `call` is absent when the process was not armed. */
  | {
      readonly type: 'exec';
      readonly pid: number;
      readonly parent: number;
      readonly redirected: boolean;
      readonly call?: ExecCall;
    }
  /**
   * An armed process's exec call found no program, or no right to run it. Told of those that `onExec` was asked
   * about, and with `audit` of all: a search of PATH is mostly failures, and hearing of each costs a stop.
   */
  | {
      readonly type: 'exec-failed';
      readonly pid: number;
      readonly parent: number;
      readonly errno: number;
      readonly call: ExecCall;
    }
  | ({ readonly type: 'exit'; readonly pid: number } & Exit)
  /** Told with `TraceOptions.audit`, connects with `connects`, too, and kinds `effect` and `netlink` with `effects`. */
  | CallEvent;

/** What one of the command's standard streams is: a descriptor of ours, or a stream that output is copied to. */
export type Stdio = number | 'ignore' | 'inherit' | NodeJS.WritableStream;

/** What calls that ask about the machine answer. */
export interface MachineAnswers {
  /** sysinfo(2): `struct sysinfo` of 64-bit programs, 112 bytes, and behind it that of 32-bit programs, 64 bytes. */
  readonly sysinfo: Uint8Array;
  /** CPU numbers that the kernel has room for, `nr_cpu_ids`. */
  readonly cpuIds: number;
  /** The CPUs that are online: a bit each, in as many 8-byte words as a mask of that kernel has. */
  readonly cpus: Uint8Array;
}

export interface TraceOptions {
  /** The command's argv; as bytes when it is not text. */
  readonly command: readonly (string | Buffer)[];
  /** The program to run. Default: `command[0]`, looked up in the `PATH` of `environment` when it has no slash. */
  readonly file?: string;
  /** Default: this process's. */
  readonly environment?: Readonly<Record<string, string>> | readonly Buffer[];
  /** Host path. Default: this process's. */
  readonly cwd?: string;
  /** Default: `['ignore', 'inherit', 'inherit']`. Streams can only take output. */
  readonly stdio?: readonly [stdin: Exclude<Stdio, NodeJS.WritableStream>, stdout: Stdio, stderr: Stdio];
  /**
   * When answers and handlers begin. `at-once`: with the command's own exec. `later`: with the first exec of a
   * process that is given to `TraceRun.arm`; until then every call but the refused ones passes untouched (how a
   * container's launcher is kept out of it). Armed is inherited by children.
   */
  readonly armed?: 'at-once' | 'later';
  /** What uname(2) answers, from `packUts` of src/emulate/uts.ts. Without it calls pass. */
  readonly uname?: Uint8Array;
  /** What the machine is, from `packMachine` of src/emulate/machine.ts. Without it calls pass. */
  readonly machine?: MachineAnswers;
  /**
   * Absolute path, as the tracees see it, under which our `/proc` keeps the real one: a readlink that results in
   * `<path>/<pid>/(exe|cwd|root)` gets the true target.
   */
  readonly hiddenProc?: string;
  /** The thread of this process that serves the tracees' `/proc`: where it runs is up to the engine. */
  readonly procServer?: number;
  /** Called for each exec of an armed process, one at a time, in order. What it throws ends the run. */
  readonly onExec?: (stop: ExecStop) => ExecDecision | Promise<ExecDecision>;
  /**
   * Programs and directories, absolute: `onExec` is called only for one of these programs, or one somewhere below one of
   * these directories, by `absolutePath`. Other execs go on without waiting for JavaScript.
   */
  readonly execPaths?: readonly string[];
  /**
   * Called for each call of an armed process that names one of `guestPids` (kill(2), getpgid(2), pidfd_open(2) and
   * the others of docs/syscalls.md), a process group by kill(2), or a group or user by getpriority(2) and its kin. One
   * at a time, in order, together with `onExec`. What it throws ends the run.
   */
  readonly onCall?: (call: CallStop) => CallDecision | Promise<CallDecision>;
  /**
   * Pids and thread ids that are the guest's. One that a tracee has, too, in its pid namespace means the tracee;
   * but 1 means the guest's, unless the caller itself is number 1.
   */
  readonly guestPids?: readonly number[];
  /** Called for what has happened, in order and in batches, up to a tenth of a second later. What it throws ends the run. */
  readonly onEvent?: (event: TraceEvent) => void;
  /**
   * Whether `onEvent` is also told what armed processes do to files, sockets and other processes: every file opened
   * for writing, made, renamed, removed, linked or changed in size, mode, owner or attributes, every connect and
   * bind, every signal. Default: no, because each of these calls then stops twice.
   */
  readonly audit?: boolean;
  /** Whether `onEvent` is told of each connect(2) without the rest of `audit`. Default: no. */
  readonly connects?: boolean;
  /** Whether `onEvent` is told of calls that act on the running system: effect-rows.ts. Default: no. */
  readonly effects?: boolean;
  /** Milliseconds that processes left behind by the main process get before they are killed. Default 500. */
  readonly grace?: number;
  readonly signal?: AbortSignal;
}

/** A process that was still there when the run's main process ended, and that was then killed. */
export interface Leftover {
  readonly pid: number;
  /** `comm` of the process, at most 15 bytes. */
  readonly name: string;
  readonly argv: readonly Buffer[];
}

export interface TraceCounts {
  /** Times that a tracee stopped for any reason. */
  readonly stops: number;
  /** Calls answered without the kernel: uname(2) and its kin. */
  readonly answered: number;
  readonly execs: number;
  /** New processes and threads. */
  readonly forks: number;
  readonly signals: number;
}

/** How the main process ended: the one given to `arm`, else the command. */
export interface TraceResult extends Exit {
  readonly leftovers: readonly Leftover[];
  readonly counts: TraceCounts;
}

export interface TraceRun {
  /** Pid of the command, once it runs under the tracer. */
  readonly started: Promise<number>;
  /** How the command itself ended. Its descendants may live on. */
  readonly command: Promise<Exit>;
  /**
   * The end: no tracee is left.
   *
   * Rejects with OuaError `TRACE_FAILED`, `PROGRAM_MISSING` when the command could not be run, `INTERRUPTED` when
   * `signal` was aborted, or with the OuaError that a handler threw (anything else that it throws is the cause
   * of a `TRACE_FAILED`). In each case every tracee is dead.
   */
  readonly result: Promise<TraceResult>;
  /**
   * Arms a live tracee from its next exec on, with all that it starts from then, and makes it the run's main
   * process, whose end ends the run. For `armed: 'later'`.
   *
   * @throws OuaError `TRACE_FAILED` when `pid` is no tracee.
   */
  arm(pid: number): Promise<void>;
}
