import { OuaError } from '../../../src/base/errors.js';
import type { Guest } from '../../../src/guest/guest.js';
import { openGuest } from '../../../src/guest/open.js';
import type { Profile } from '../../../src/kernel/profile.js';
import type { PhysicalMemory } from '../../../src/memory/memory.js';
import { renderTree } from '../../../src/shadow/proc/tree.js';
import { SecondReader, type Anchor } from './second-reader.js';

/**
 * What became of a spoilt image. `answered`: every question that the second reader can answer, too, with the same
 * words. `refused`: at least one of them, with an error of ours. The rest are failures.
 */
export type Outcome = 'answered' | 'refused' | 'crash' | 'wrong';

export interface Verdict {
  readonly outcome: Outcome;
  /** What was refused, with the reason, or what is wrong. */
  readonly words: string;
  /** The stack of a crash. */
  readonly stack?: string;
}

/** The questions that both readers answer. */
const compared: readonly {
  readonly what: string;
  readonly ours: (guest: Guest) => string[];
  readonly second: (reader: SecondReader) => string[];
}[] = [
  {
    what: 'processes',
    ours: (guest) =>
      guest.processes().map(({ pid, ppid, uids, comm }) => `${pid} ${ppid} ${uids[0]} ${uids[1]} ${comm}`),
    second: (reader) => reader.processes(),
  },
  {
    what: 'modules',
    ours: (guest) =>
      guest
        .modules()
        .map(({ name, size, usedBy, refcount }) => `${name} ${size} ${usedBy.join(',')} ${refcount}`),
    second: (reader) => reader.modules(),
  },
  {
    what: 'mounts',
    ours: (guest) =>
      guest
        .mounts()
        .map(
          ({ id, parentId, device, mountPoint, type, source }) =>
            `${id} ${parentId} ${device.major}:${device.minor} ${mountPoint} ${type} ${source}`,
        ),
    second: (reader) => reader.mounts(),
  },
];

/** Questions that must be answered or refused, and nothing else. */
const others: readonly ((guest: Guest) => unknown)[] = [
  (guest) => guest.uts,
  (guest) => guest.fileSystemTypes(),
  (guest) => guest.memInfo(),
  (guest) => guest.fileLocks(),
  (guest) => guest.unwrittenFiles(),
  (guest) => guest.commandLine(),
  (guest) => guest.bootId(),
  (guest) => guest.uptime(),
  (guest) => guest.cpus(),
  (guest) => guest.kernelLog(),
  (guest) => guest.sysctls(),
  (guest) => renderTree(guest),
];

/**
 * Asks a spoilt image.
 *
 * @param open gives the image; may refuse it
 * @param profile none: the reader has to derive it
 * @param anchor where the running kernel is, for the second reader; none: there is none to be found
 */
export async function judge(
  open: () => PhysicalMemory | Promise<PhysicalMemory>,
  profile: Profile | undefined,
  anchor: Anchor | undefined,
): Promise<Verdict> {
  const refusals: string[] = [];
  try {
    using memory = await open();
    const guest = openGuest(memory, { profile });
    if (!anchor) return { outcome: 'wrong', words: `there is no kernel, but it finds ${guest.banner}` };
    for (const question of compared) {
      const ours = answerOf(() => question.ours(guest), refusals);
      const wrong =
        ours && differences(question.what, ours, () => question.second(new SecondReader(memory, anchor)));
      if (wrong !== undefined) return { outcome: 'wrong', words: wrong };
    }
    for (const question of others) answerOf(() => question(guest), refusals);
  } catch (error) {
    if (!(error instanceof OuaError)) return crash(error);
    refusals.push(describe(error));
  }
  return refusals.length === 0
    ? { outcome: 'answered', words: '' }
    : { outcome: 'refused', words: [...new Set(refusals)].join('; ') };
}

function answerOf<T>(ask: () => T, refusals: string[]): T | undefined {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof OuaError)) throw error;
    refusals.push(describe(error));
    return undefined;
  }
}

/** What two readers disagree about, or undefined. */
function differences(
  what: string,
  ours: readonly string[],
  ask: () => readonly string[],
): string | undefined {
  let second: readonly string[];
  try {
    second = ask();
  } catch (error) {
    return `${what} are printed, but the second reader cannot read them: ${String(error)}`;
  }
  const extra = ours.find((line, index) => line !== second[index]);
  if (extra === undefined && ours.length === second.length) return undefined;
  const other = second.find((line, index) => line !== ours[index]);
  return `${what}: ${ours.length} of ours, ${second.length} of the second reader; '${extra ?? ''}' and '${other ?? ''}'`;
}

function crash(error: unknown): Verdict {
  return error instanceof Error
    ? { outcome: 'crash', words: `${error.name}: ${error.message}`, stack: error.stack ?? '' }
    : { outcome: 'crash', words: String(error) };
}

const describe = (error: OuaError) => `${error.code} ${error.message}`;
