/**
 * What a plan has to know of a guest's package manager. Everything else in the planner is the same for all of them;
 * docs/package-managers.md tells what each of them does.
 */
import type {
  ConffileChoice,
  ConffileDecision,
  DebconfQuestion,
  Note,
  PackageChange,
  ScriptKind,
} from '../../plan/model.js';
import type { CallEvent } from '../../tracer/call-event.js';
import type { ExecStop } from '../../tracer/tracer.js';
import type { ChangedTree } from './configuration-files.js';

/** A package manager that a guest may have. It has no state: what an update does to it is followed by a {@link PackageRun}. */
export interface PackageManager {
  readonly name: string;
  /** Names (`comm`) of programs that change packages while they run; not of ones that only wait. */
  readonly programs: ReadonlySet<string>;
  /** What it and its front ends lock while they work. */
  readonly lockFiles: readonly string[];
  /** Directories that every run of it reads before it decides anything. */
  readonly databases: readonly string[];
  /** What it is told by its environment of configuration files that the administrator has changed, too. */
  readonly conffileEnvironment?: (choice: ConffileChoice) => Readonly<Record<string, string>>;
  /** Whether the guest has a database of its packages. `root`: host path of the guest's `/`. */
  isIn(root: string): boolean;
  /**
   * Makes sure that the database is not one of package work that was cut short.
   *
   * @throws OuaError `GUEST_BUSY` naming what is unfinished, `GUEST_UNSUPPORTED` when the database cannot be read
   */
  requireQuiet(root: string): void;
  /**
   * Begins to follow an update. Nothing of the guest runs yet.
   *
   * @throws OuaError `GUEST_UNSUPPORTED` when the database cannot be read
   */
  follow(root: string): PackageRun;
}

/** One package manager of one guest during one update. */
export interface PackageRun {
  /** What the tracer has to ask about so that `script` sees every script: programs, and directories of programs. */
  readonly asks: readonly string[] | 'every program';
  /** The step that ends the log when scripts were left to the replay: their work on other packages is still to do. */
  readonly closing?: 'triggers';
  /** Which script an execve(2) runs; undefined: none of this package manager's. */
  script(stop: ScriptStop): ScriptExec | undefined;
  /** What the update has changed up to now. Nothing of the guest may run. */
  changes(): PackageChange[];
  /** What became of configuration files of which there were two versions. As `changes`. */
  conffiles(tree: ChangedTree): ConffileDecision[];
  /** The questions that packages asked, and the answers. As `changes`. */
  questions(): DebconfQuestion[];
  /** What a reader of the plan should know of what the package manager did. As `changes`. */
  notes(): Note[];
  /** Begins to tell for which package the package manager does things. */
  work(listener: WorkListener): PackageWork;
}

/** What of an execve(2) tells which script it runs. */
export type ScriptStop = Pick<ExecStop, 'pid' | 'absolutePath' | 'argv' | 'environment' | 'root'>;

/** A script, told apart from others by its package and kind. */
export interface PackageScript {
  readonly kind: ScriptKind;
  /** Package name without its architecture; `unknown` when it cannot be told. */
  readonly package: string;
}

/** An execve(2) that runs a script. */
export interface ScriptExec extends PackageScript {
  /** What it is called with. latin1. Calls with the same arguments are the same, also when an update is planned again. */
  readonly args: readonly string[];
  /** The text that the program is given in a file which is gone afterwards; undefined: the program is the script. */
  readonly text?: {
    readonly bytes: Buffer;
    /** Which word of argv names the file. */
    readonly argument: number;
    /** The program, without symbolic links. */
    readonly program: Buffer;
  };
  /**
   * Takes what it would read from its standard input, instead of it, while it stands still and its caller does not.
   * Undefined: that is empty.
   */
  readonly takeInput?: () => Promise<Buffer>;
}

export interface WorkListener {
  /** What was taken for the work on package `wrong` since the last archive was opened was for `right`. */
  readonly onCorrection?: (wrong: string, right: string) => void;
  /** An archive is opened: corrections go back to here. */
  readonly onUnpack?: () => void;
}

/** Which package a package manager works on, as far as that shows. */
export interface PackageWork {
  readonly current: string | undefined;
  /** A program runs outside of scripts. Whether it is the package manager at work. `name`: last component of its path. */
  begins(name: string): boolean;
  /** The package manager, or a helper that it has started, runs a program. */
  executes(name: string, argv: readonly string[]): void;
  /** The package manager runs a script. */
  runs(script: PackageScript, argv: readonly string[]): void;
  /** The package for which the package manager, or a helper of its, did this. */
  ownerOf(event: CallEvent): string | undefined;
}
