import type { Guest, Process, Thread } from '../../guest/guest.js';
import { directoryNode, root, type NodeKind, type Owner, type ProcNode } from './node.js';

/** What a file shows; undefined: this guest's memory does not tell, and the file is not there. */
export type Content = string | Buffer | undefined;

/** A node and its path below `/proc`; the tracees' directories are made from what is below `templateName`. */
export type PlacedNode = readonly [path: string, node: ProcNode];

/** Found under no name; one that no file of procfs has. */
export const templateName = '.tracee';

/** One row of the table of `/proc`: a file, or a family of files. */
export interface ProcRow {
  /**
   * Path below `/proc`. `[pid]/` stands for each process of the guest, `[tracee]/` for each process of the
   * sandbox and each of its threads.
   */
  readonly path: string;
  /** Where the kernel makes it: file, and the function where it helps. */
  readonly source: string;
  readonly state: 'full' | 'partial' | 'absent';
  /** What is missing of a partial row, why a row is absent, or what to know. */
  readonly note: string;
  /** Gives way to rows above it that make the same path. */
  readonly yields: boolean;
  /** Files that an update can do without: not there, with a reason, where the guest's memory does not tell them. */
  readonly ifKnown: boolean;
  readonly nodes: (guest: Guest) => Iterable<PlacedNode>;
}

interface Options {
  /** Permission bits. */
  readonly mode?: number;
  /** What is missing: makes the row partial. */
  readonly missing?: string;
  readonly note?: string;
}

export function row(path: string, source: string, options: Options, nodes: ProcRow['nodes']): ProcRow {
  const note = options.missing ?? options.note ?? '';
  return {
    path,
    source,
    state: options.missing ? 'partial' : 'full',
    note,
    yields: false,
    ifKnown: false,
    nodes,
  };
}

export function contentNode(
  kind: 'file' | 'symlink',
  mode: number,
  path: string,
  content: Content,
  owner: Owner = root,
): PlacedNode[] {
  if (content === undefined) return [];
  return [[path, { kind, mode, uid: owner.uid, gid: owner.gid, content: Buffer.from(content) }]];
}

const inTemplate = (name: string) => `${templateName}/${name}`;

/** Owner of a process's directory: its effective ids (`task_dump_owner`, fs/proc/base.c). */
export const ownerOf = ({ uids, gids }: Process): Owner => ({ uid: uids[1], gid: gids[1] });

/** The row of a file that is left out when the guest's kernel keeps its content in a way that is not known, or torn. */
export const ifKnown = (known: ProcRow): ProcRow => ({ ...known, ifKnown: true });

export const file = (
  path: string,
  source: string,
  render: (guest: Guest) => Content,
  options: Options = {},
): ProcRow =>
  row(path, source, options, (guest) => contentNode('file', options.mode ?? 0o444, path, render(guest)));

export const symlink = (path: string, source: string, target: string, options: Options = {}): ProcRow =>
  row(path, source, options, () => contentNode('symlink', 0o777, path, target));

/** Many files of one directory: path below it → text, without the newline. */
export const files = (
  path: string,
  source: string,
  render: (guest: Guest) => ReadonlyMap<string, string>,
  readOnly: ReadonlySet<string>,
  options: Options = {},
): ProcRow => ({
  ...row(`${path}/**`, source, options, (guest) =>
    [...render(guest)].flatMap(([name, value]) =>
      contentNode('file', readOnly.has(name) ? 0o444 : 0o644, `${path}/${name}`, `${value}\n`),
    ),
  ),
  yields: true,
});

export const processFile = (
  name: string,
  source: string,
  render: (process: Process, guest: Guest) => Content,
  options: Options = {},
): ProcRow =>
  row(`[pid]/${name}`, source, options, (guest) =>
    guest
      .processes()
      .flatMap((process) =>
        contentNode(
          'file',
          options.mode ?? 0o444,
          `${process.pid}/${name}`,
          render(process, guest),
          ownerOf(process),
        ),
      ),
  );

export const processLink = (
  name: string,
  source: string,
  target: (process: Process) => Content,
  options: Options = {},
): ProcRow =>
  row(`[pid]/${name}`, source, options, (guest) =>
    guest
      .processes()
      .flatMap((process) =>
        contentNode('symlink', 0o777, `${process.pid}/${name}`, target(process), ownerOf(process)),
      ),
  );

/** A directory of links in each process's directory: name → target and the link's permission bits. */
export const processLinks = (
  name: string,
  source: string,
  links: (process: Process, guest: Guest) => Iterable<readonly [name: string, target: string, mode: number]>,
  options: Options = {},
): ProcRow =>
  row(`[pid]/${name}/*`, source, options, (guest) =>
    guest.processes().flatMap((process) => {
      const directory = `${process.pid}/${name}`;
      const owner = ownerOf(process);
      return [
        [directory, { ...directoryNode(owner), mode: options.mode ?? 0o555 }] satisfies PlacedNode,
        ...[...links(process, guest)].flatMap(([link, target, mode]) =>
          contentNode('symlink', mode, `${directory}/${link}`, target, owner),
        ),
      ];
    }),
  );

/** A file in the directory of each thread of each of the guest's processes. */
export const threadFile = (
  name: string,
  source: string,
  render: (thread: Thread, guest: Guest) => Content,
  options: Options = {},
): ProcRow =>
  ifKnown(
    row(`[pid]/task/[tid]/${name}`, source, options, (guest) =>
      [...guest.threads()].flatMap(([pid, threads]) =>
        threads.flatMap((thread) =>
          contentNode(
            'file',
            options.mode ?? 0o444,
            `${pid}/task/${thread.pid}/${name}`,
            render(thread, guest),
            ownerOf(thread),
          ),
        ),
      ),
    ),
  );

/** A directory of files in each process's directory: name → text. */
export const processFiles = (
  name: string,
  source: string,
  files: (process: Process, guest: Guest) => Iterable<readonly [name: string, text: string]>,
  options: Options = {},
): ProcRow =>
  row(`[pid]/${name}/*`, source, options, (guest) =>
    guest.processes().flatMap((process) => {
      const directory = `${process.pid}/${name}`;
      const owner = ownerOf(process);
      return [
        [directory, { ...directoryNode(owner), mode: options.mode ?? 0o555 }] satisfies PlacedNode,
        ...[...files(process, guest)].flatMap(([file, text]) =>
          contentNode('file', 0o444, `${directory}/${file}`, text, owner),
        ),
      ];
    }),
  );

/** What a tracee finds in its own directory instead of its own. */
export const traceeFile = (
  name: string,
  source: string,
  render: (guest: Guest) => Content,
  options: Options = {},
): ProcRow =>
  row(`[tracee]/${name}`, source, options, (guest) =>
    contentNode('file', 0o444, inTemplate(name), render(guest)),
  );

const fixed = (kind: Exclude<NodeKind, 'file' | 'symlink' | 'directory' | 'template'>, mode: number) =>
  ({ kind, mode, ...root }) as const;

/** A tracee's own entry, in the sandbox's procfs. */
export const traceeLink = (name: string, source: string): ProcRow =>
  row(`[tracee]/${name}`, source, { note: "the tracee's own" }, () => [
    [inTemplate(name), fixed('real', 0o777)],
  ]);

export const traceeThreads = (name: string, source: string, options: Options = {}): ProcRow =>
  row(`[tracee]/${name}`, source, options, () => [[inTemplate(name), fixed('threads', 0o555)]]);

export const traceeDirectory = (name: string, source: string, options: Options = {}): ProcRow =>
  row(`[tracee]/${name}`, source, options, () => [[inTemplate(name), directoryNode()]]);

/** Answered by the server, for each caller or each read. */
export const answered = (
  kind: 'self' | 'thread-self' | 'uuid',
  path: string,
  source: string,
  options: Options = {},
): ProcRow => row(path, source, options, () => [[path, fixed(kind, kind === 'uuid' ? 0o444 : 0o777)]]);

/** What a guest has and we do not show. */
export const absent = (path: string, source: string, note: string): ProcRow => ({
  ...row(path, source, { note }, () => []),
  state: 'absent',
});
