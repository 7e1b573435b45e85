const minMatch = 4;
const tableBits = 12;

/** A repeat in the input: `length` bytes at `at` stand `distance` bytes before, too. */
export interface Match {
  readonly at: number;
  readonly distance: number;
  readonly length: number;
}

/** Repeats of at least 4 bytes, found greedily by the hash of their first four; ascending, not overlapping. */
export function* findMatches(input: Buffer, maxDistance: number, maxLength: number): Generator<Match> {
  const table = new Int32Array(1 << tableBits).fill(-1);
  for (let at = 0; at + minMatch <= input.length;) {
    const word = input.readUInt32LE(at);
    const slot = Math.imul(word, 0x9e3779b1) >>> (32 - tableBits);
    const before = table[slot] as number;
    table[slot] = at;
    if (before < 0 || at - before > maxDistance || input.readUInt32LE(before) !== word) {
      at++;
      continue;
    }
    let length = minMatch;
    while (length < maxLength && at + length < input.length && input[before + length] === input[at + length])
      length++;
    yield { at, distance: at - before, length };
    at += length;
  }
}
