import { unreadable } from './refusals.js';
import type { ByteSource } from './source.js';

const headerSize = 12;
const groupSize = 80;
const groupNameSize = 64;
const maxGroups = 1024;
const maxTags = 1 << 16;
/** Lengths in a tag's flags that say: the length stands in the data. */
const longData = [62, 63];
/** Flags, length of the name, a name, three indices, two lengths and the padding's length. */
const largestHead = 2 + 255 + 3 * 4 + 2 * 8 + 2;

/** One value of the state: a number, or where longer data is. */
export interface Tag {
  readonly value: number;
  readonly data: { readonly offset: number; readonly length: number } | undefined;
}

/**
 * The tags of the group `memory` in a state file, by their names with indices: `regionPPN[0]`. The layout is not
 * published by VMware; this is what Volatility (vmware.py) and LibVMI read.
 *
 * @throws OuaError `MEMORY_FORMAT`, `MEMORY_TRUNCATED`
 */
export function readMemoryTags(source: ByteSource): Map<string, Tag> {
  const header = source.read(0, headerSize);
  const version = (header[0] as number) & 0xf;
  const count = header.readUInt32LE(8);
  if (count > maxGroups) throw unreadable(source.path, `it claims ${count} groups`);
  const groups = source.read(headerSize, count * groupSize);
  for (let at = 0; at < groups.length; at += groupSize) {
    const name = groups.toString('latin1', at, at + groupNameSize).split('\0', 1)[0];
    if (name === 'memory')
      return readTags(source, Number(groups.readBigUInt64LE(at + groupNameSize)), version === 0 ? 4 : 8);
  }
  throw unreadable(source.path, 'it has no group "memory"');
}

/** @param wide bytes of a long tag's lengths */
function readTags(source: ByteSource, start: number, wide: number): Map<string, Tag> {
  const tags = new Map<string, Tag>();
  for (let at = start; ;) {
    if (!(at < source.size)) throw unreadable(source.path, 'its group "memory" does not end');
    const head = Buffer.alloc(largestHead);
    source.readInto(at, head.subarray(0, Math.min(largestHead, source.size - at)));
    const flags = head.readUInt8(0);
    const nameLength = head.readUInt8(1);
    if (flags === 0 && nameLength === 0) return tags;
    if (tags.size === maxTags) throw unreadable(source.path, `it has more than ${maxTags} tags`);
    let place = 2 + nameLength;
    let name = head.toString('latin1', 2, place);
    for (let index = 0; index < flags >>> 6; index++, place += 4) name += `[${head.readUInt32LE(place)}]`;
    const length = flags & 0x3f;
    if (!longData.includes(length)) {
      const value =
        length > 0 && length <= 6 ? head.readUIntLE(place, length) : wideValue(head, place, length);
      tags.set(name, { value, data: undefined });
      at += place + length;
      continue;
    }
    const stored = wideValue(head, place, wide);
    const padding = head.readUInt16LE(place + 2 * wide);
    const offset = at + place + 2 * wide + 2 + padding;
    tags.set(name, { value: 0, data: { offset, length: stored } });
    at = offset + stored;
  }
}

function wideValue(head: Buffer, at: number, length: number): number {
  if (length === 4) return head.readUInt32LE(at);
  return length === 8 ? Number(head.readBigUInt64LE(at)) : 0;
}
