import { OuaError } from '../base/errors.js';

/** 32-bit words that follow a type's three, by kind: `fixed + each × vlen`. */
const trailers: readonly (readonly [fixed: number, each: number])[] = [
  [0, 0],
  [1, 0], // INT
  [0, 0],
  [3, 0], // ARRAY
  [0, 3], // STRUCT
  [0, 3], // UNION
  [0, 2], // ENUM
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 0],
  [0, 2], // FUNC_PROTO
  [1, 0], // VAR
  [0, 3], // DATASEC
  [0, 0],
  [1, 0], // DECL_TAG
  [0, 0],
  [0, 3], // ENUM64
];

/**
 * Word index of each type, and how many there are, void included.
 * @throws OuaError `GUEST_INCONSISTENT` for a kind that BTF does not have, or a type that reaches beyond the end.
 */
export function indexTypes(words: Uint32Array): [types: Uint32Array, count: number] {
  const types = new Uint32Array(Math.ceil(words.length / 3) + 1);
  let count = 1;
  for (let at = 0; at < words.length;) {
    const info = words[at + 1] ?? 0;
    const trailer = trailers[(info >>> 24) & 0x1f];
    if (!trailer || ((info >>> 24) & 0x1f) === 0) throw damagedBtf(`type ${count} has an unknown kind`);
    types[count++] = at;
    at += 3 + trailer[0] + trailer[1] * (info & 0xffff);
    if (at > words.length) throw damagedBtf(`type ${count - 1} reaches beyond its end`);
  }
  return [types, count];
}

export function damagedBtf(why: string): OuaError {
  return new OuaError(
    'GUEST_INCONSISTENT',
    `the kernel's type information (BTF) is damaged: ${why}`,
    'save the memory again, or use a profile made from an undamaged guest of the same kernel',
  );
}
