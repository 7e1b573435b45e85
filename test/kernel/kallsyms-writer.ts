/** A symbol as kallsyms has it: a type letter and a name. */
export interface Symbol {
  readonly address: bigint;
  readonly type: string;
  readonly name: string;
}

export interface KallsymsShape {
  /** Up to 6.3 offsets come first, from 6.4 on last. */
  readonly offsetsLast: boolean;
  /** Up to 6.14 addresses below the base are absolute. */
  readonly absolutePercpu: boolean;
  /** Three bytes for each symbol before the token table. */
  readonly sequence: boolean;
  readonly relativeBase: bigint;
  /** From 7.x on offsets count from their own places, and nothing is aligned to 8 bytes. */
  readonly placeRelative?: boolean;
}

/** The tables of kallsyms as `scripts/kallsyms.c` lays them out, with each pair of letters in `pairs` as a token. */
export function writeKallsyms(
  symbols: readonly Symbol[],
  shape: KallsymsShape,
  pairs: readonly string[] = [],
): Buffer {
  const tokens = Array.from({ length: 256 }, (_, index) => String.fromCharCode(index || 1));
  pairs.slice(0, 100).forEach((pair, index) => (tokens[128 + index] = pair));
  const names = symbols.map(({ type, name }) => compress(type + name, tokens));
  const markers: number[] = [];
  let at = 0;
  names.forEach((name, index) => {
    if (index % 256 === 0) markers.push(at);
    at += name.length;
  });
  const step = shape.placeRelative ? 4 : 8;
  const align = (bytes: Buffer) =>
    Buffer.concat([bytes, Buffer.alloc((step - (bytes.length % step)) % step)]);
  const offsets = symbols.map(({ address }) =>
    !shape.absolutePercpu || address < 0x80000000n
      ? Number(shape.absolutePercpu ? address : address - shape.relativeBase) | 0
      : Number(shape.relativeBase - 1n - address) | 0,
  );
  const base = Buffer.alloc(8);
  base.writeBigUInt64LE(shape.relativeBase);
  const starts: number[] = [];
  at = 0;
  for (const token of tokens) {
    starts.push(at);
    at += token.length + 1;
  }
  const offsetTables = [align(u32(offsets)), base];
  const parts = [
    ...(shape.offsetsLast ? [] : offsetTables),
    align(u32([symbols.length])),
    align(Buffer.concat(names)),
    align(u32(markers)),
    ...(shape.sequence ? [align(Buffer.alloc(symbols.length * 3, 0xa5))] : []),
    align(Buffer.from(tokens.map((token) => `${token}\0`).join(''), 'latin1')),
    align(Buffer.concat(starts.map((start) => Buffer.from([start & 0xff, start >> 8])))),
  ];
  if (!shape.offsetsLast) return Buffer.concat(parts);
  if (!shape.placeRelative) return Buffer.concat([...parts, ...offsetTables]);
  // Counted as if the region before the tables were of that length: see `surround` of the test.
  const place = parts.reduce((sum, part) => sum + part.length, Number(shape.relativeBase));
  return Buffer.concat([
    ...parts,
    u32(symbols.map(({ address }, index) => Number(address) - place - index * 4)),
  ]);
}

function compress(name: string, tokens: readonly string[]): Buffer {
  const bytes: number[] = [];
  for (let at = 0; at < name.length;) {
    const pair = tokens.indexOf(name.slice(at, at + 2), 128);
    const isPair = pair >= 0 && name.length - at >= 2;
    bytes.push(isPair ? pair : name.charCodeAt(at));
    at += isPair ? 2 : 1;
  }
  const length = bytes.length;
  return Buffer.from([...(length < 0x80 ? [length] : [(length & 0x7f) | 0x80, length >> 7]), ...bytes]);
}

function u32(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => bytes.writeInt32LE(value | 0, index * 4));
  return bytes;
}
