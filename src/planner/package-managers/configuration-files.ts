/** Configuration files of which there are two versions, the administrator's and the package's, and which one an update took. */
import { createHash } from 'node:crypto';
import { closeSync, fstatSync, readSync } from 'node:fs';
import type { ConffileChoice, ConffileDecision, ContentId, Note, Precondition } from '../../plan/model.js';
import { ShimError } from '../../native/shim.js';
import { openInShadow } from '../../shadow/fs/read.js';

/** What an update has made of a guest's files. */
export interface ChangedTree {
  /** Host path of the guest's `/`, as it is now. */
  readonly root: string;
  /** Every path that was changed, one character a byte (latin1). */
  readonly touched: Iterable<string>;
  /** What was at a path before. */
  readonly before: (path: Buffer) => Precondition;
}

/** A program that leaves the version that it did not take beside the file, and how it calls that. */
export interface Keeper {
  readonly by: ConffileDecision['by'];
  readonly suffix: string;
  readonly decision: ConffileDecision['decision'];
}

/** No real configuration file comes near; a guest can make one that seems endless. */
const longest = 64 << 20;
/** What open(2) says of sockets, and of devices where there are none. */
const notFiles = new Set(['ENXIO', 'ENODEV', 'EACCES']);

/** Hash in hex of a regular file as the guest finds it; undefined: there is none. */
export function digestInShadow(
  root: string,
  path: Buffer,
  algorithm: 'sha256' | 'md5' = 'sha256',
): ContentId | undefined {
  const name = path.toString('utf8');
  // Bytes that are no text cannot be handed to the call that opens it.
  if (!Buffer.from(name).equals(path)) return undefined;
  const descriptor = openIfFile(root, name);
  if (descriptor === undefined) return undefined;
  try {
    const status = fstatSync(descriptor);
    if (!status.isFile() || status.size > longest) return undefined;
    const hash = createHash(algorithm);
    const piece = Buffer.alloc(1 << 16);
    for (let read; (read = readSync(descriptor, piece, 0, piece.length, null)) > 0;)
      hash.update(piece.subarray(0, read));
    return hash.digest('hex');
  } finally {
    closeSync(descriptor);
  }
}

function openIfFile(root: string, name: string): number | undefined {
  try {
    return openInShadow(root, name);
  } catch (error) {
    if (error instanceof ShimError && notFiles.has(error.code)) return undefined;
    throw error;
  }
}

/**
 * The decisions that show in what the update has left beside configuration files.
 *
 * @param owner what a configuration file is called and whose it is; undefined: it is none, and what is beside it is something else
 */
export function decisionsBeside(
  { root, touched }: ChangedTree,
  keepers: readonly Keeper[],
  owner: (file: Buffer, keeper: Keeper) => Pick<ConffileDecision, 'path' | 'package'> | undefined,
): ConffileDecision[] {
  return [...touched].flatMap((name): ConffileDecision[] => {
    const keeper = keepers.find(({ suffix }) => name.endsWith(suffix));
    if (!keeper) return [];
    const beside = Buffer.from(name, 'latin1');
    const file = beside.subarray(0, -keeper.suffix.length);
    const [here, other] = [digestInShadow(root, file), digestInShadow(root, beside)];
    const known = other === undefined ? undefined : owner(file, keeper);
    const { by, decision } = keeper;
    if (known === undefined || other === undefined) return [];
    if (decision === 'keep') return [{ ...known, by, decision, admin: here, offered: other, beside }];
    return here === undefined ? [] : [{ ...known, by, decision, admin: other, offered: here, beside }];
  });
}

/** What the guest's own configuration of dpkg or apt has decided otherwise than the operator. */
export function conffileNote(
  choice: ConffileChoice,
  decisions: readonly ConffileDecision[],
): Note | undefined {
  const others = decisions.filter(({ by, decision }) => by === 'dpkg' && decision !== choice);
  if (others.length === 0) return undefined;
  return {
    code: 'CONFFILES_BY_GUEST',
    text:
      `the guest's own configuration of dpkg or apt, or the command, decides otherwise than '${choice}' about ` +
      others.map(({ path }) => path.toString('utf8')).join(', '),
  };
}
