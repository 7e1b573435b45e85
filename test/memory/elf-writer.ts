/** One PT_LOAD: bytes of guest memory at a physical address. */
export interface Segment {
  readonly address: number;
  readonly bytes: Buffer;
}

/** An ELF64 core as QEMU's dump-guest-memory lays it out: header, program headers, a note, the segments' bytes. */
export function writeElfCore(segments: readonly Segment[], machine = 62): Buffer {
  const header = Buffer.alloc(64);
  header.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  header.writeUInt16LE(4, 16); // ET_CORE
  header.writeUInt16LE(machine, 18);
  header.writeUInt32LE(1, 20);
  header.writeBigUInt64LE(64n, 32);
  header.writeUInt16LE(64, 52);
  header.writeUInt16LE(56, 54);
  header.writeUInt16LE(segments.length + 1, 56);
  const note = Buffer.alloc(20);
  let offset = 64 + 56 * (segments.length + 1);
  const table = [programHeader(4, offset, 0, note.length)];
  offset += note.length;
  for (const { address, bytes } of segments) {
    table.push(programHeader(1, offset, address, bytes.length));
    offset += bytes.length;
  }
  return Buffer.concat([header, ...table, note, ...segments.map(({ bytes }) => bytes)]);
}

function programHeader(type: number, offset: number, address: number, length: number): Buffer {
  const entry = Buffer.alloc(56);
  entry.writeUInt32LE(type, 0);
  entry.writeBigUInt64LE(BigInt(offset), 8);
  entry.writeBigUInt64LE(BigInt(address), 24);
  entry.writeBigUInt64LE(BigInt(length), 32);
  entry.writeBigUInt64LE(BigInt(length), 40);
  return entry;
}
