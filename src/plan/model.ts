/**
 * The words of a plan, shared by its writer (the planner) and its readers (the applier, the reports).
 * What is on disk is `schema.ts`; nothing outside `plan/` touches SQL.
 *
 * Paths are bytes, not text: a guest's names need not be UTF-8. All are absolute within the guest.
 */

/** SHA-256 of uncompressed bytes, 32 bytes in lower-case hex. */
export type ContentId = string;

/** What the plan was made for. An absent value was not knowable at planning; it is then not checked. */
export interface GuestIdentity {
  /** `linux_banner` of the suspended kernel. */
  readonly banner: string;
  readonly release: string;
  readonly hostname: string;
  /** Changes with each boot, stands still over suspend and resume. */
  readonly bootId: string | undefined;
  /** `/etc/machine-id`, 32 hex digits. */
  readonly machineId: string | undefined;
  /** UUID of the root file system. */
  readonly rootUuid: string | undefined;
  /** Seconds since the epoch, by the guest's clock, at the suspend. */
  readonly suspendedAt: number;
  /** Seconds since its boot at the suspend, time spent asleep included (clock_gettime(2), `CLOCK_BOOTTIME`). */
  readonly uptime: number;
}

/** How the steps are ordered: as things happened, or by the phases of `src/planner/phases.ts`, for comparison. */
export const changeOrders = ['log', 'phases'] as const;
export type ChangeOrder = (typeof changeOrders)[number];
/** What becomes of maintainer scripts: all run at the replay, or offline but for what they do to the running system. */
export const scriptPolicies = ['defer', 'split'] as const;
export type ScriptPolicy = (typeof scriptPolicies)[number];

export interface PlanHeader {
  readonly guest: GuestIdentity;
  readonly policy: ScriptPolicy;
  readonly order: ChangeOrder;
  /** Whether the plan has a full event record. */
  readonly audited: boolean;
  /** ISO 8601, host clock, when the emulation began. */
  readonly createdAt: string;
  /** Version of the program that wrote the plan. */
  readonly createdBy: string;
}

/** One command of the update, in order. */
export interface CommandRecord {
  readonly argv: readonly string[];
  readonly exitStatus: number;
  readonly seconds: number;
}

export interface PackageChange {
  readonly name: string;
  readonly architecture: string;
  /** undefined: newly installed. */
  readonly from: string | undefined;
  /** undefined: removed. */
  readonly to: string | undefined;
}

export type FileType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'char' | 'block';

/** A time of the emulation's "now" becomes the guest's now at apply. */
export type Timestamp = 'now' | { readonly seconds: number; readonly nanoseconds: number };

/** Everything about an inode that a replay must bring back. */
export interface FileState {
  readonly type: FileType;
  /** Permission bits with setuid, setgid and sticky: `st_mode & 07777`. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly mtime: Timestamp;
  readonly xattrs: readonly (readonly [name: string, value: Buffer])[];
  /** Regular files. */
  readonly content?: ContentId;
  readonly size?: number;
  /** Symbolic links: the raw target. */
  readonly target?: Buffer;
  /** Devices. */
  readonly device?: { readonly major: number; readonly minor: number };
}

/** What must be found at a path before the first write. */
export type Precondition =
  | { readonly type: 'absent' }
  | {
      readonly type: FileType;
      readonly mode: number;
      readonly uid: number;
      readonly gid: number;
      /** Regular files. */
      readonly content?: ContentId;
      /** Of the content, in bytes: a file that has grown need not be read. */
      readonly size?: number;
      /** Symbolic links. */
      readonly target?: Buffer;
    };

/** How a database is cut into records that can be merged: native-shim/agent/formats.c. */
export type MergeFormat =
  | 'accounts'
  | 'shadow'
  | 'ranges'
  | 'status'
  | 'debconf'
  | 'diversions'
  | 'statoverride'
  | 'triggers'
  | 'alternatives';

/** For a database that live work in the guest changes too: what is needed to keep the changes of both. */
export interface Merge {
  readonly format: MergeFormat;
  /** What the plan knows to be at the path just before the change; undefined: nothing. */
  readonly base?: ContentId;
}

/** Bytes; the agent merges no larger database, `DATABASE_SIZE_MAX` of native-shim/agent/records.h. */
export const mergeSizeLimit = 32 << 20;

/** What a step prints on its terminal, where a program copied that to a file, as apt does to its term.log. */
export interface StepOutput {
  /** Bytes of the content that come before it. */
  readonly offset: number;
  /** Number of a step before the file set that runs a program at the replay. */
  readonly step: number;
}

/** Which of a program's standard streams are a terminal; the others go to the replay's report alone. */
export const terminalStreams = ['output', 'errors', 'both'] as const;
export type TerminalStreams = (typeof terminalStreams)[number];

/**
 * One change of a file set, in an order in which they can be applied: a directory before what is in it,
 * removals of children before their directory.
 */
export type FileChange = { readonly path: Buffer } & (
  | {
      readonly action: 'put';
      readonly state: FileState;
      readonly merge?: Merge;
      /** Of a file that is no database, by offset: what it has besides its content. */
      readonly outputs?: readonly StepOutput[];
    }
  /** Another name of an inode that is already in place at `to`. */
  | { readonly action: 'link'; readonly to: Buffer }
  | { readonly action: 'remove'; readonly merge?: Merge }
);

/** dpkg's maintainer scripts: Debian Policy 6.1. */
export const dpkgScriptKinds = ['preinst', 'prerm', 'postinst', 'postrm'] as const;
/** RPM's scriptlets, rpm-spec(5), named without their `%`; `unknown`: which one it was cannot be told. */
export const rpmScriptKinds = [
  'pretrans',
  'pre',
  'post',
  'preun',
  'postun',
  'posttrans',
  'preuntrans',
  'postuntrans',
  'triggerprein',
  'triggerin',
  'triggerun',
  'triggerpostun',
  'filetriggerin',
  'filetriggerun',
  'filetriggerpostun',
  'transfiletriggerin',
  'transfiletriggerun',
  'transfiletriggerpostun',
  'unknown',
] as const;
export type RpmScriptKind = (typeof rpmScriptKinds)[number];
export const scriptKinds = [...dpkgScriptKinds, ...rpmScriptKinds] as const;
export type ScriptKind = (typeof scriptKinds)[number];

export interface ScriptCall {
  readonly kind: ScriptKind;
  /** `unknown` when that cannot be told. */
  readonly package: string;
  /** The program: as given to execve, and for RPM's scriptlets without symbolic links. */
  readonly path: Buffer;
  /** The script itself: the program, or the text that `interpreter` is given. */
  readonly content: ContentId;
  /** RPM has an interpreter read a scriptlet from a file that is gone by the time of the replay. */
  readonly interpreter?: {
    /** SHA-256 of the program at `path`, 32 bytes in hex. */
    readonly sha256: string;
    /** Which word of `argv` names the file with the text: from 1 on. */
    readonly argument: number;
  };
  /** What it reads from its standard input; undefined: nothing. Known of scripts that run at the replay. */
  readonly input?: ContentId;
  readonly argv: readonly Buffer[];
  /** `NAME=value`, as given to execve. */
  readonly environment: readonly Buffer[];
  readonly cwd: Buffer;
  /** Index into the commands. */
  readonly command: number;
  /**
   * `offline`: it ran when the plan was made, what it did is in the steps that follow, and the replay does not run it.
   * `replay`: it runs at the replay, and only then.
   */
  readonly runs: 'offline' | 'replay';
  /** Known of scripts that run at the replay; undefined: none. */
  readonly terminal?: TerminalStreams;
  /** Policy `split`: why it runs at the replay after all. */
  readonly reason?: string;
}

/**
 * Something that a program does to the running system. Offline it was kept from running, or ran without a system to
 * reach, and its caller was told that it has succeeded; at the replay it runs in the guest.
 */
export interface LiveAction {
  /** The row of the table of live actions by which it is one. */
  readonly rule: string;
  /** The program's file, without symbolic links in its path. */
  readonly path: Buffer;
  /** SHA-256 of the program as it was then, 32 bytes in hex. */
  readonly sha256: string;
  readonly argv: readonly Buffer[];
  /** `NAME=value`, as given to execve. */
  readonly environment: readonly Buffer[];
  readonly cwd: Buffer;
  /** undefined: none. */
  readonly terminal?: TerminalStreams;
  /** Index into the commands. */
  readonly command: number;
  /** Step of the script call that it belongs to; undefined: no script's, a hook of the package manager's. */
  readonly script: number | undefined;
}

/** One entry of the log at replay, numbered from 0 without gaps. */
export type Step =
  | { readonly kind: 'files'; readonly changes: readonly FileChange[] }
  | { readonly kind: 'script'; readonly call: ScriptCall }
  | { readonly kind: 'action'; readonly action: LiveAction }
  /** `dpkg --triggers-only --pending`: work that deferred scripts queue for other packages. */
  | { readonly kind: 'triggers' };

/** One path of the shadow `/proc` and who read it. */
export interface ProcRead {
  readonly path: string;
  /** `comm` of the reader. */
  readonly reader: string;
  readonly count: number;
  readonly found: boolean;
}

/** One program that the update executed offline. */
export interface Execution {
  readonly pid: number;
  readonly parent: number;
  readonly path: Buffer;
  readonly argv: readonly Buffer[];
  readonly command: number;
  /** Redirected to the stub. */
  readonly redirected: boolean;
}

/** A signal that the update sent to a process of the guest. It was kept from everyone; replaying the plan does not send it. */
export interface GuestSignal {
  /** Index into the commands. */
  readonly command: number;
  /** The last step of the log before it; undefined: none. */
  readonly afterStep: number | undefined;
  /** Who sent it, as in `Execution`. */
  readonly pid: number;
  /** Its number on the guest's machine, 1 to 64. */
  readonly signal: number;
  /** Pid inside the guest, and the name that the process had. */
  readonly target: number;
  readonly targetComm: string;
}

/**
 * What is done about a configuration file of dpkg's that both the administrator and the package have changed, where the
 * guest's own configuration leaves it to be asked: the administrator's version is kept, or the package's is installed.
 */
export const conffileChoices = ['keep', 'install'] as const;
export type ConffileChoice = (typeof conffileChoices)[number];
/** Programs that decide so. */
export const conffileDeciders = ['dpkg', 'ucf', 'rpm'] as const;

/** Which version of a configuration file the update took, of two that there were. */
export interface ConffileDecision {
  readonly path: Buffer;
  /** undefined: it cannot be told. */
  readonly package: string | undefined;
  readonly by: (typeof conffileDeciders)[number];
  readonly decision: ConffileChoice;
  /** The administrator's version; undefined: deleted. It need not be one of the plan's contents. */
  readonly admin: ContentId | undefined;
  /** The package's version. */
  readonly offered: ContentId;
  /** Where the version is that was not taken; undefined: nowhere, it was deleted before. */
  readonly beside: Buffer | undefined;
}

/** A question of debconf's (debconf-devel(7)) that the update has declared, asked or answered. */
export interface DebconfQuestion {
  readonly name: string;
  /** `string`, `boolean`, `select`, …; undefined: debconf knows none. */
  readonly type: string | undefined;
  /** What a package gets for an answer, as debconf writes it; undefined: nothing, or it is withheld. */
  readonly value: string | undefined;
  /** Of a password the plan tells no value here. It is in the files that the plan holds. */
  readonly withheld: boolean;
  /** Whether it counts as answered by a person: what was preseeded does. */
  readonly seen: boolean;
  /** The packages that it belongs to. */
  readonly owners: readonly string[];
}

/** Something that a reader of the plan should know: an unknown, a limit, a decision taken. */
export interface Note {
  readonly code: string;
  readonly text: string;
}
