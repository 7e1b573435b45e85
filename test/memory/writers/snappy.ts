import { findMatches } from './matches.js';

const maxCopy = 64;
const maxOffset = 65535;

/** Compresses to a block of Snappy's raw format: literals, and copies with offsets of one and two bytes. */
export function encodeSnappy(input: Buffer): Buffer {
  const parts: Buffer[] = [varint(input.length)];
  let literal = 0;
  for (const { at, distance, length } of findMatches(input, maxOffset, maxCopy)) {
    parts.push(literalOf(input.subarray(literal, at)), copyOf(distance, length));
    literal = at + length;
  }
  parts.push(literalOf(input.subarray(literal)));
  return Buffer.concat(parts);
}

function copyOf(offset: number, length: number): Buffer {
  if (length <= 11 && offset < 2048)
    return Buffer.from([1 | ((length - 4) << 2) | ((offset >>> 8) << 5), offset & 0xff]);
  return Buffer.from([2 | ((length - 1) << 2), offset & 0xff, offset >>> 8]);
}

function literalOf(bytes: Buffer): Buffer {
  if (bytes.length === 0) return bytes;
  const length = bytes.length - 1;
  const head =
    length < 60 ? [length << 2] : length < 256 ? [60 << 2, length] : [61 << 2, length & 0xff, length >>> 8];
  return Buffer.concat([Buffer.from(head), bytes]);
}

function varint(value: number): Buffer {
  const bytes = [];
  for (; value >= 0x80; value >>>= 7) bytes.push((value & 0x7f) | 0x80);
  return Buffer.from([...bytes, value]);
}
