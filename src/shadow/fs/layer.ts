/** One file system of the shadow. `lower`, `upper` and `merged` are host paths. */
export interface Layer {
  /**
   * Whether it is on the guest's disk: then it is an overlay. Else the guest keeps it in memory, and it is two copies:
   * `lower`, and one that changes, as `upper` and `merged` in one. (An overlay would take a character device 0:0, of
   * which each systemd has one in `/run`, for a whiteout.)
   */
  readonly onDisk: boolean;
  /** Where it is mounted in the guest. */
  readonly at: string;
  /** The part of it that is mounted there, `/` for all of it. */
  readonly root: string;
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

/** All directories above a path, nearest last; the top, '', is left out. */
export function ancestors(path: LayerPath): LayerPath[] {
  const found: LayerPath[] = [];
  for (let slash = path.indexOf('/'); slash >= 0; slash = path.indexOf('/', slash + 1))
    found.push(path.slice(0, slash));
  return found;
}

/** Where a path of the layer is in the guest; undefined: in a part that the guest has not mounted. */
export function toGuestPath(layer: Layer, path: LayerPath): Buffer | undefined {
  const part = latin1(layer.root).slice(1);
  const within =
    part === ''
      ? path
      : path === part
        ? ''
        : path.startsWith(`${part}/`)
          ? path.slice(part.length + 1)
          : undefined;
  if (within === undefined) return undefined;
  const at = layer.at === '/' ? '' : latin1(layer.at);
  return Buffer.from(within === '' ? at || '/' : `${at}/${within}`, 'latin1');
}

/** The layer that holds a path of the guest, and where; the deepest mount point wins. */
export function fromGuestPath(
  layers: readonly Layer[],
  path: Buffer,
): { readonly layer: Layer; readonly path: LayerPath } | undefined {
  const text = path.toString('latin1');
  let found: { layer: Layer; path: LayerPath } | undefined;
  for (const layer of layers) {
    const at = layer.at === '/' ? '' : latin1(layer.at);
    if (text !== at && !text.startsWith(`${at}/`)) continue;
    if (found && found.layer.at.length > layer.at.length) continue;
    const within = text.slice(at.length + 1);
    found = { layer, path: joinPath(latin1(layer.root).slice(1), within).replace(/\/$/, '') };
  }
  return found;
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}
