/** Values of `enum oua_kind`; how each kind is served is in native-shim/fuse.h. */
export const nodeKinds = {
  directory: 1,
  file: 2,
  symlink: 3,
  self: 4,
  'thread-self': 5,
  uuid: 6,
  template: 7,
  real: 8,
  threads: 9,
} as const;
export type NodeKind = keyof typeof nodeKinds;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}
export const root: Owner = { uid: 0, gid: 0 };

interface Attributes extends Owner {
  /** Permission bits. */
  readonly mode: number;
}

/** A node of the rendered tree. */
export type ProcNode =
  | DirectoryNode
  | (Attributes & {
      readonly kind: 'file' | 'symlink';
      /** Bytes of the file, target of the symlink. */
      readonly content: Buffer;
    })
  | (Attributes & { readonly kind: Exclude<NodeKind, 'file' | 'symlink' | 'directory' | 'template'> });

export interface DirectoryNode extends Attributes {
  readonly kind: 'directory' | 'template';
  /** Not listed, and what is looked up below it is not logged. */
  readonly hidden: boolean;
  readonly children: Map<string, ProcNode>;
}

export function directoryNode(owner: Owner = root, hidden = false): DirectoryNode {
  return { kind: 'directory', mode: 0o555, uid: owner.uid, gid: owner.gid, hidden, children: new Map() };
}
