import { OuaError } from '../base/errors.js';
import type { Guest } from '../guest/guest.js';
import type { DirectoryNode, ProcNode } from '../shadow/proc/node.js';
import { templateName } from '../shadow/proc/row.js';
import { renderTree } from '../shadow/proc/tree.js';

/** Links of `/proc` that lead to whoever asks: init stands in, as nobody of the guest asks. */
const asInit: Readonly<Record<string, readonly string[]>> = {
  self: ['1'],
  mounts: ['1', 'mounts'],
  net: [templateName, 'net'],
};

/**
 * The bytes of a file of the guest's `/proc`; of a link its target, of a directory its names, a line each.
 *
 * @param path with or without `/proc` in front
 * @throws OuaError `FILE_MISSING` when the guest has none of that name, or its memory does not tell it
 */
export function procFile(guest: Guest, path: string): Buffer {
  const absences = new Map<string, string>();
  const tree = renderTree(guest, undefined, ({ path: absent, reason }) => absences.set(absent, reason));
  const [first = '', ...rest] = path
    .replace(/^\/proc(?=\/|$)/, '')
    .split('/')
    .filter(Boolean);
  const steps = first === '' ? [] : [...(asInit[first] ?? [first]), ...rest];
  const node = steps.reduce<ProcNode | undefined>(
    (parent, step) => (parent && 'children' in parent ? parent.children.get(step) : undefined),
    tree,
  );
  if (node && 'content' in node)
    return node.kind === 'symlink' ? Buffer.from(`${node.content.toString()}\n`) : node.content;
  if (node && 'children' in node) return Buffer.from(names(node));
  throw new OuaError(
    'FILE_MISSING',
    `the guest's /proc has no ${steps.join('/')} that its memory tells`,
    absences.get(`/proc/${steps.join('/')}`) ?? 'docs/proc.md lists what is shown',
  );
}

function names({ children }: DirectoryNode): string {
  return [...children.keys()]
    .filter((name) => !name.startsWith('.'))
    .sort()
    .map((name) => `${name}\n`)
    .join('');
}
