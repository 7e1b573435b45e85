import { setImmediate } from 'node:timers/promises';
import { OuaError } from '../../base/errors.js';
import type { Guest } from '../../guest/guest.js';
import { directoryNode, root, type DirectoryNode, type ProcNode } from './node.js';
import { ownerOf, templateName, type PlacedNode, type ProcRow } from './row.js';
import { sysTable } from './sysfs.js';
import { procTable } from './table.js';

/** A file of the guest's `/proc` that its memory does not tell, and why. */
export interface Absence {
  /** As in the table, from the root. */
  readonly path: string;
  readonly reason: string;
}

/** What says that a file is not known, and not that nothing of the guest can be trusted. */
const unknown = new Set(['KERNEL_UNSUPPORTED', 'GUEST_INCONSISTENT']);

/**
 * Renders every row of the table for one guest. The guest stands still, so this is done once. The tree also has
 * the hidden directory `.ouassister` with `real` and `stub`, which the sandbox mounts on, and `sys`, which it shows as `/sys`.
 *
 * @throws OuaError as the guest's methods do, and `GUEST_INCONSISTENT` for names that no file can have.
 */
export function renderTree(
  guest: Guest,
  table: readonly ProcRow[] = procTable,
  onAbsent: (absence: Absence) => void = () => undefined,
): DirectoryNode {
  const rows = renderRows(guest, table, onAbsent);
  for (;;) {
    const { done, value } = rows.next();
    if (done) return value;
  }
}

/** As {@link renderTree}, with room for other work of this thread after every few milliseconds. */
export async function renderTreeInTurns(
  guest: Guest,
  table: readonly ProcRow[] = procTable,
  onAbsent: (absence: Absence) => void = () => undefined,
): Promise<DirectoryNode> {
  const rows = renderRows(guest, table, onAbsent);
  for (let turn = performance.now(); ;) {
    const { done, value } = rows.next();
    if (done) return value;
    if (performance.now() - turn < turnMilliseconds) continue;
    await setImmediate();
    turn = performance.now();
  }
}

const turnMilliseconds = 4;

/** Stops after each row. */
function* renderRows(
  guest: Guest,
  table: readonly ProcRow[],
  onAbsent: (absence: Absence) => void,
): Generator<void, DirectoryNode> {
  const tree = directoryNode();
  const hidden = directoryNode(root, true);
  hidden.children.set('real', directoryNode());
  hidden.children.set('stub', { kind: 'file', mode: 0o555, ...root, content: Buffer.alloc(0) });
  hidden.children.set('sys', directoryNode());
  tree.children.set('.ouassister', hidden);
  tree.children.set(templateName, { ...directoryNode(), kind: 'template' });
  for (const process of guest.processes())
    tree.children.set(String(process.pid), directoryNode(ownerOf(process)));
  const directories: Directories = new Map([['', tree]]);
  for (const row of table) {
    for (const [path, node] of nodesOf(row, '/proc', guest, onAbsent))
      put(directories, path, node, row.yields);
    yield;
  }
  for (const row of sysTable) {
    for (const [path, node] of nodesOf(row, '/sys', guest, onAbsent))
      put(directories, `.ouassister/sys/${path}`, node, row.yields);
    yield;
  }
  return tree;
}

function nodesOf(
  row: ProcRow,
  mount: '/proc' | '/sys',
  guest: Guest,
  onAbsent: (absence: Absence) => void,
): PlacedNode[] {
  try {
    return [...row.nodes(guest)];
  } catch (error) {
    if (!row.ifKnown || !(error instanceof OuaError) || !unknown.has(error.code)) throw error;
    onAbsent({ path: `${mount}/${row.path}`, reason: error.message });
    return [];
  }
}

/** Directories of the tree by their path, the root under the empty one: there are many more files than directories. */
type Directories = Map<string, DirectoryNode>;

function put(directories: Directories, path: string, node: ProcNode, yields: boolean): void {
  if (node.kind === 'symlink' && !isTarget(node.content)) throw inconsistent(path, 'leads nowhere');
  const [directory, name] = splitPath(path);
  const { children } = directoryAt(directories, directory, path);
  if (!isFileName(name) || path.startsWith('/')) throw inconsistent(path, 'is no path');
  if (!children.has(name)) children.set(name, node);
  else if (!yields) throw inconsistent(path, 'is made twice');
}

/** @param below the path that needs the directory, for the error */
function directoryAt(directories: Directories, path: string, below: string): DirectoryNode {
  const known = directories.get(path);
  if (known) return known;
  const [directory, name] = splitPath(path);
  const { children } = directoryAt(directories, directory, below);
  if (!isFileName(name)) throw inconsistent(below, 'is no path');
  const node = children.get(name) ?? directoryNode();
  if (!('children' in node)) throw inconsistent(below, 'lies below a file');
  children.set(name, node);
  directories.set(path, node);
  return node;
}

/** What is before the last slash, and behind it. */
function splitPath(path: string): readonly [directory: string, name: string] {
  const slash = path.lastIndexOf('/');
  return slash < 0 ? ['', path] : [path.slice(0, slash), path.slice(slash + 1)];
}

function isFileName(name: string): boolean {
  return (
    name !== '' && name !== '.' && name !== '..' && !name.includes('\0') && Buffer.byteLength(name) <= 255
  );
}

/** What symlink(2) would take: not empty, below PATH_MAX. */
function isTarget(content: Buffer): boolean {
  return content.length > 0 && content.length < 4096 && !content.includes(0);
}

function inconsistent(path: string, what: string): OuaError {
  return new OuaError(
    'GUEST_INCONSISTENT',
    `'${path}' of the guest's /proc ${what}`,
    'the memory image contradicts itself: suspend the guest again and retry',
  );
}
