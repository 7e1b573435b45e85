import fc from 'fast-check';
import type { FileChange, FileState, Step } from '../../src/plan/model.js';

const plain = { mode: 0o755, uid: 0, gid: 0, mtime: 'now', xattrs: [] } as const;

export const file = (content: string): FileState => ({ ...plain, type: 'file', content });
export const directory = (mode = 0o755): FileState => ({ ...plain, type: 'directory', mode });
export const put = (path: string, state: FileState) =>
  ({ action: 'put', path: Buffer.from(path), state }) as const;
export const link = (path: string, to: string) =>
  ({ action: 'link', path: Buffer.from(path), to: Buffer.from(to) }) as const;
export const remove = (path: string) => ({ action: 'remove', path: Buffer.from(path) }) as const;

const parentOf = (path: string) => path.slice(0, path.lastIndexOf('/')) || '/';

/** Files of a guest, to which changes are made as the agent makes them: what it refuses is an error. */
export class FileModel {
  readonly #inodes: Map<string, FileState>;

  constructor(inodes: Iterable<readonly [string, FileState]> = [['/', directory()]]) {
    this.#inodes = new Map(inodes);
  }

  copy(): FileModel {
    return new FileModel(this.#inodes);
  }

  at(path: string): FileState | undefined {
    return this.#inodes.get(path);
  }

  /** What is in a directory, and in those in it. */
  below(path: string): string[] {
    const top = path === '/' ? '/' : `${path}/`;
    return [...this.#inodes.keys()].filter((name) => name.startsWith(top) && name !== path).sort();
  }

  apply(change: FileChange): void {
    const path = change.path.toString();
    const there = this.at(path);
    const parent = this.at(parentOf(path))?.type;
    if (change.action === 'remove') {
      if (this.below(path).length > 0) throw new Error(`${path} is not empty`);
      this.#inodes.delete(path);
      return;
    }
    if (parent !== 'directory') throw new Error(`${path} has no directory`);
    const becomes = change.action === 'put' ? change.state : this.at(change.to.toString());
    if (!becomes) throw new Error(`${path} cannot be a link`);
    if (there?.type === 'directory' && becomes.type !== 'directory' && this.below(path).length > 0)
      throw new Error(`${path} is not empty`);
    // Each put makes an inode of its own.
    this.#inodes.set(path, change.action === 'put' ? { ...becomes } : becomes);
  }

  /** Every path with what is there, and the first name of the same inode. */
  snapshot(): string[] {
    const first = new Map<FileState, string>();
    return ['/', ...this.below('/')].map((path) => {
      const state = this.at(path)!;
      if (!first.has(state)) first.set(state, path);
      return `${path} ${state.type} ${state.mode} ${state.content ?? ''} ${first.get(state)}`;
    });
  }
}

const paths = ['a', 'b', 'c'].flatMap((top) => [`/${top}`, `/${top}/a`, `/${top}/b`, `/${top}/b/a`]);
type Wish = readonly [
  what: 'file' | 'directory' | 'link' | 'remove',
  path: string,
  other: string,
  id: number,
];
const wish: fc.Arbitrary<Wish> = fc.tuple(
  fc.constantFrom('file', 'file', 'directory', 'link', 'remove'),
  ...[fc.constantFrom(...paths), fc.constantFrom(...paths)],
  fc.nat(1000),
);

/** The changes that fulfil a wish, as a collection of changes gives them: none when it cannot be. */
function fulfil(files: FileModel, [what, path, other, id]: Wish): FileChange[] {
  const there = files.at(path);
  const room = () =>
    [...files.below(path).reverse(), ...(files.at(path) ? [path] : [])].map((name) => remove(name));
  if (what === 'remove') return room();
  const parent = parentOf(path);
  if (files.at(parent) && files.at(parent)!.type !== 'directory') return [];
  const before = files.at(parent) ? [] : fulfil(files, ['directory', parent, '/', 0]);
  if (before.length === 0 && !files.at(parent)) return [];
  const clears = there && (there.type === 'directory') !== (what === 'directory') ? room() : [];
  if (what === 'directory') return [...before, ...clears, put(path, directory(0o700 + (id % 8)))];
  if (what === 'file') return [...before, ...clears, put(path, file(`content ${id}`))];
  const target = files.at(other);
  const gone = target?.type !== 'file' || other === path || other.startsWith(`${path}/`);
  return gone ? [] : [...before, ...clears, link(path, other)];
}

/** A guest, and changes that can be made to it one after the other. */
export const changedGuest: fc.Arbitrary<{ guest: FileModel; changes: FileChange[] }> = fc
  .tuple(fc.array(wish, { maxLength: 12 }), fc.array(wish, { maxLength: 25 }))
  .map(([made, wishes]) => {
    const guest = new FileModel();
    for (const each of made) for (const change of fulfil(guest, each)) guest.apply(change);
    const files = guest.copy();
    const changes = wishes.flatMap((each) => {
      const fulfilled = fulfil(files, each);
      for (const change of fulfilled) files.apply(change);
      return fulfilled;
    });
    return { guest, changes };
  });

/** The files after all changes that are in steps. */
export function after(guest: FileModel, steps: readonly Step[]): FileModel {
  const files = guest.copy();
  for (const step of steps) if (step.kind === 'files') for (const change of step.changes) files.apply(change);
  return files;
}
