import type { MergeFormat } from '../plan/model.js';

/**
 * Files that live work in the guest changes too, record by record, and how their records are told apart. The backups
 * beside them (`passwd-`, `status-old`, …) are not here: each is one whole copy.
 */
const databases: readonly (readonly [path: RegExp, format: MergeFormat])[] = [
  [/^\/etc\/(passwd|group)$/, 'accounts'],
  [/^\/etc\/(shadow|gshadow)$/, 'shadow'],
  [/^\/etc\/(subuid|subgid)$/, 'ranges'],
  [/^\/var\/lib\/dpkg\/status$/, 'status'],
  [/^\/var\/lib\/dpkg\/diversions$/, 'diversions'],
  [/^\/var\/lib\/dpkg\/statoverride$/, 'statoverride'],
  [/^\/var\/lib\/dpkg\/triggers\/Unincorp$/, 'triggers'],
  // update-alternatives writes NAME.dpkg-tmp beside each, and renames it.
  [/^\/var\/lib\/dpkg\/alternatives\/[^/]+(?<!\.dpkg-tmp)$/, 'alternatives'],
  [/^\/var\/cache\/debconf\/[^/]+\.dat$/, 'debconf'],
];

/** How the database at `path` is merged; undefined: it is none. */
export function databaseFormat(path: Buffer): MergeFormat | undefined {
  const text = path.toString('latin1');
  return databases.find(([pattern]) => pattern.test(text))?.[1];
}
