import { createHash } from 'node:crypto';
import {
  chmodSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmdirSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import type { FileChange, FileState } from '../../../src/plan/model.js';
import { HostTree } from '../../../src/shadow/fs/host-tree.js';
import { mknod, S_IFCHR, S_IFIFO, setXattr } from './libc.js';

/** Stands for `now` in a replayed tree. */
export const now = 4_000_000_000;

/** The simplest player of file changes: what an applier does, without its safety. Strict: nothing may be missing. */
export function replay(
  root: string,
  changes: readonly FileChange[],
  contents: ReadonlyMap<string, Buffer>,
): void {
  for (const change of changes) {
    const path = root + change.path.toString();
    if (change.action === 'remove') {
      if (lstatSync(path).isDirectory()) rmdirSync(path);
      else unlinkSync(path);
    } else if (change.action === 'link') {
      linkSync(root + change.to.toString(), `${root}/.new`);
      // rename(2) does nothing when both are the same inode, and leaves the source.
      renameSync(`${root}/.new`, path);
      if (lstatSync(`${root}/.new`, { throwIfNoEntry: false })) unlinkSync(`${root}/.new`);
    } else put(root, path, change.state, contents);
  }
}

function put(root: string, path: string, state: FileState, contents: ReadonlyMap<string, Buffer>): void {
  const isDirectory = state.type === 'directory';
  const existing = isDirectory && lstatSync(path, { throwIfNoEntry: false });
  const target = isDirectory ? path : `${root}/.new`;
  const make: Partial<Record<FileState['type'], () => void>> = {
    file: () => writeFileSync(target, contents.get(state.content!)!),
    directory: () => existing || mkdirSync(target),
    symlink: () => symlinkSync(state.target!, target),
    fifo: () => mknod(target, S_IFIFO | 0o600),
    char: () => mknod(target, S_IFCHR | 0o600, state.device!.major, state.device!.minor),
  };
  make[state.type]!();
  lchownSync(target, state.uid, state.gid);
  if (state.type !== 'symlink') chmodSync(target, state.mode);
  for (const [name, value] of state.xattrs) setXattr(target, name, value);
  const time = state.mtime === 'now' ? now : state.mtime.seconds;
  lutimesSync(target, time, time);
  if (!isDirectory) renameSync(target, path);
}

/**
 * Everything that a user can see of a tree, as text. Times from `start` (seconds) on are `now`; those of
 * directories are left out, since each new entry changes them.
 */
export function snapshot(root: string, start: number): Record<string, string> {
  const tree = new HostTree(root);
  const seen: Record<string, string> = {};
  const firstNames = new Map<bigint, string>();
  const walk = (directory: string) => {
    for (const name of readdirSync(root + directory).sort()) {
      const path = `${directory}/${name}`;
      const stat = lstatSync(root + path, { bigint: true });
      const first = firstNames.get(stat.ino) ?? path;
      firstNames.set(stat.ino, first);
      const seconds = Number(stat.mtimeNs / 1_000_000_000n);
      seen[path] = [
        `${stat.mode.toString(8)} ${stat.uid}:${stat.gid}`,
        stat.isDirectory() ? '' : `time ${seconds >= start ? 'now' : seconds}`,
        stat.isDirectory() || first === path ? '' : `link to ${first}`,
        stat.isFile()
          ? createHash('sha256')
              .update(readFileSync(root + path))
              .digest('hex')
              .slice(0, 8)
          : '',
        stat.isSymbolicLink() ? `-> ${readlinkSync(root + path)}` : '',
        stat.isCharacterDevice() ? `device ${stat.rdev}` : '',
        ...tree.xattrs(path.slice(1)).map(([key, value]) => `${key}=${value.toString('hex')}`),
      ]
        .filter(Boolean)
        .join(', ');
      if (stat.isDirectory()) walk(path);
    }
  };
  walk('');
  return seen;
}
