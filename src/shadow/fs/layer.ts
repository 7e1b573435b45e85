import { directoriesAbove } from '../../base/paths.js';

/** A place in the guest where a file system, or a part of it, is mounted. */
export interface Part {
  /** The mount point, an absolute path. */
  readonly at: string;
  /** The part of the file system that is mounted there, `/` for all of it. */
  readonly root: string;
  /** Of `ro`, `nosuid`, `noexec`. Default: none. */
  readonly flags?: readonly string[];
  /** Mount points in it (latin1), of any file system: the guest sees something else from there on. Default: none. */
  readonly covered?: ReadonlySet<string>;
}

/** One file system of the shadow, at the first of its mounts. `lower`, `upper` and `merged` are host paths. */
export interface Layer extends Part {
  /**
   * Whether it is on the guest's disk: then it is an overlay. Else the guest keeps it in memory, and it is two copies:
   * `lower`, and one that changes, as `upper` and `merged` in one. (An overlay would take a character device 0:0, of
   * which each systemd has one in `/run`, for a whiteout.)
   */
  readonly onDisk: boolean;
  /** Its other mounts, in the order in which they are mounted. Default: none. */
  readonly elsewhere?: readonly Part[];
  /** What the guest had, never written. */
  readonly lower: string;
  /** What the update changed, in overlayfs's own notation. */
  readonly upper: string;
  /** Both, as the update sees them, without what is mounted inside. */
  readonly merged: string;
  /** Bytes that a file can have at most. */
  readonly limit: number;
}

/**
 * A path within a layer: relative, without a leading slash, '' for its top. One character a byte (latin1),
 * because a guest's names need not be text.
 */
export type LayerPath = string;

/** '' for the top itself. */
export function parentOf(path: LayerPath): LayerPath {
  return path.slice(0, Math.max(path.lastIndexOf('/'), 0));
}

export function joinPath(directory: LayerPath, name: string): LayerPath {
  return directory === '' ? name : `${directory}/${name}`;
}

/** Where the guest has a path of a layer. */
export interface GuestPlace {
  readonly path: Buffer;
  /** The mount that the path leads to. */
  readonly part: Part;
}

/** Trees that packages have files in, hier(7): what knows a file by its path knows it by one of these. */
const packageTrees = /^\/(bin|boot|etc|lib[^/]*|opt|sbin|usr|var)(\/|$)/;

/**
 * Where a path of the layer is in the guest, the same name each time: of several mounts that show it one that can be written
 * to, then one below which packages have their files, then the one of the largest part, then the first.
 * undefined: the guest does not see it, as that part is not mounted, or covered by another mount.
 */
export function placeInGuest(layer: Layer, path: LayerPath): GuestPlace | undefined {
  let best: { readonly name: string; readonly part: Part; readonly rank: readonly number[] } | undefined;
  for (const part of partsOf(layer)) {
    const name = nameIn(part, path);
    if (name === undefined) continue;
    const rank = [
      Number(part.flags?.includes('ro') ?? false),
      Number(!packageTrees.test(name)),
      part.root.length,
    ];
    if (!best || isBefore(rank, best.rank)) best = { name, part, rank };
  }
  return best && { path: Buffer.from(best.name, 'latin1'), part: best.part };
}

/** The path of {@link placeInGuest}. */
export function toGuestPath(layer: Layer, path: LayerPath): Buffer | undefined {
  return placeInGuest(layer, path)?.path;
}

/** The layer that holds a path of the guest, and where; the deepest mount point wins. */
export function fromGuestPath(
  layers: readonly Layer[],
  path: Buffer,
): { readonly layer: Layer; readonly path: LayerPath } | undefined {
  const text = path.toString('latin1');
  let found: { layer: Layer; path: LayerPath; depth: number } | undefined;
  for (const layer of layers)
    for (const part of partsOf(layer)) {
      const at = prefixOf(part);
      if (text !== at && !text.startsWith(`${at}/`)) continue;
      if ((found && found.depth > at.length) || isCovered(part, at, text)) continue;
      const within = joinPath(latin1(part.root).slice(1), text.slice(at.length + 1)).replace(/\/$/, '');
      found = { layer, path: within, depth: at.length };
    }
  return found;
}

function partsOf(layer: Layer): readonly Part[] {
  return layer.elsewhere ? [layer, ...layer.elsewhere] : [layer];
}

/** What comes before the slash of each path in it. */
function prefixOf({ at }: Part): string {
  return at === '/' ? '' : latin1(at);
}

/** The guest's path (latin1) through this very mount; undefined: it does not show the layer's path. */
function nameIn(part: Part, path: LayerPath): string | undefined {
  const root = latin1(part.root).slice(1);
  if (root !== '' && path !== root && !path.startsWith(`${root}/`)) return undefined;
  const within = root === '' ? path : path.slice(root.length + 1);
  const at = prefixOf(part);
  const name = within === '' ? at || '/' : `${at}/${within}`;
  return isCovered(part, at, name) ? undefined : name;
}

/** Whether another mount is what the guest has at a path (latin1) below a mount point. */
function isCovered({ covered }: Part, at: string, path: string): boolean {
  if (!covered?.size) return false;
  return [...directoriesAbove(path), path].some((name) => name.length > at.length && covered.has(name));
}

function isBefore(a: readonly number[], b: readonly number[]): boolean {
  const differing = a.findIndex((value, index) => value !== b[index]);
  return differing >= 0 && a[differing]! < b[differing]!;
}

/** One character a byte. */
export function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
