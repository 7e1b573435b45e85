/**
 * 64-bit words and their halves. BigInt arithmetic allocates at every step, and reading a guest is made of these: so
 * words are taken apart and put together in two views of the same eight bytes. Hosts are little-endian, as guests are.
 */
const word = new BigUint64Array(1);
const halves = new Uint32Array(word.buffer);

const pieceShift = 12;
const pieceMask = 2 ** pieceShift - 1;

/** `bytes.readBigUInt64LE(at)`. */
export function readWord(bytes: Buffer, at: number): bigint {
  halves[0] = bytes.readUInt32LE(at);
  halves[1] = bytes.readUInt32LE(at + 4);
  return word[0] as bigint;
}

/** The word at `at` as a number, rounded above 2^53. */
export function readWordNumber(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 2 ** 32 + bytes.readUInt32LE(at);
}

/** Number of the piece of 4 KiB that a 64-bit address is in: 52 bits. */
export function pieceOf(address: bigint): number {
  word[0] = address;
  return (halves[1] as number) * 2 ** (32 - pieceShift) + ((halves[0] as number) >>> pieceShift);
}

/** Where in its piece of 4 KiB an address is. */
export function withinPiece(address: bigint): number {
  word[0] = address;
  return (halves[0] as number) & pieceMask;
}
