/**
 * Length that a block of Snappy's raw format decompresses to (google/snappy, format_description.txt), and where
 * its elements start; undefined when the block does not start with a length.
 */
export function snappyLength(input: Buffer): { readonly length: number; readonly start: number } | undefined {
  let length = 0;
  for (let index = 0; index < Math.min(5, input.length); index++) {
    const byte = input[index] as number;
    length += (byte & 0x7f) * 2 ** (7 * index);
    if (byte < 0x80) return { length, start: index + 1 };
  }
  return undefined;
}

/**
 * Decompresses a block of Snappy's raw format. Written here because the libraries allocate what a block claims,
 * and because a block must fill a page exactly. True when it does.
 */
export function decodeSnappy(input: Buffer, target: Buffer): boolean {
  const head = snappyLength(input);
  if (head?.length !== target.length) return false;
  let from = head.start;
  let to = 0;
  while (from < input.length) {
    const tag = input[from++] as number;
    const upper = tag >>> 2;
    if ((tag & 3) === 0) {
      let length = upper + 1;
      if (upper >= 60) {
        const width = upper - 59;
        if (from + width > input.length) return false;
        length = input.readUIntLE(from, width) + 1;
        from += width;
      }
      if (from + length > input.length || to + length > target.length) return false;
      input.copy(target, to, from, from + length);
      from += length;
      to += length;
      continue;
    }
    const width = offsetBytes[tag & 3] as number;
    if (from + width > input.length) return false;
    const short = width === 1;
    const length = short ? (upper & 7) + 4 : upper + 1;
    const offset = input.readUIntLE(from, width) + (short ? (tag >>> 5) << 8 : 0);
    from += width;
    if (offset === 0 || offset > to || to + length > target.length) return false;
    // Byte by byte: what is copied may be what this very copy has written.
    for (const end = to + length; to < end; to++) target[to] = target[to - offset] as number;
  }
  return to === target.length;
}

/** Bytes of the offset in a copy element, by the lowest two bits of its tag. */
const offsetBytes = [0, 1, 2, 4];
