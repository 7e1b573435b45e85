import { decompress } from 'fzstd';

const magic = 0xfd2fb528;
const dictionaryBytes = [0, 1, 2, 4];

/**
 * Decompresses a frame of Zstandard (RFC 8878) that says how long its content is, as makedumpfile's do. True when
 * that is the target's length and so much came out.
 */
export function decodeZstd(input: Buffer, target: Buffer): boolean {
  const last = target.length - 1;
  if (last < 0 || contentSize(input) !== target.length) return false;
  try {
    // The library writes from the start on, and does not say how far it came: whether the last byte was written
    // shows when it is another one before.
    return [0x5a, 0xa5].some((before) => {
      target[last] = before;
      // With a buffer of its own it allocates nothing of the size that the frame claims.
      decompress(input, target);
      return target[last] !== before;
    });
  } catch {
    return false;
  }
}

/** Frame_Content_Size, or undefined when the frame has none. */
function contentSize(input: Buffer): number | undefined {
  if (input.length < 6 || input.readUInt32LE(0) !== magic) return undefined;
  const flags = input[4] as number;
  const single = (flags >>> 5) & 1;
  const width = flags >>> 6 === 0 ? single : 1 << (flags >>> 6);
  const at = 6 - single + (dictionaryBytes[flags & 3] as number);
  if (width === 0 || at + width > input.length) return undefined;
  if (width === 8) return Number(input.readBigUInt64LE(at));
  return input.readUIntLE(at, width) + (width === 2 ? 256 : 0);
}
