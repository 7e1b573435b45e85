import { execFileSync } from 'node:child_process';
import fc from 'fast-check';
import { deflateSync } from 'node:zlib';
import { decodeLzo1x } from '../../src/memory/lzo1x.js';
import { pageCodecs } from '../../src/memory/page-codecs.js';
import { encodeLzo1x } from './writers/lzo1x.js';
import { encodeSnappy } from './writers/snappy.js';

/** Bytes as memory has them: runs, repeats and noise. */
const content = fc
  .array(
    fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc
        .tuple(fc.nat(255), fc.integer({ min: 1, max: 2000 }))
        .map(([byte, count]) => Buffer.alloc(count, byte)),
      fc
        .tuple(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.integer({ min: 1, max: 60 }))
        .map(([bytes, count]) => Buffer.concat(Array.from({ length: count }, () => bytes))),
    ),
    { minLength: 1, maxLength: 30 },
  )
  .map((parts) => Buffer.concat(parts));

/** Something that stands 20 KB before its repeat, so that the farthest kind of match is used. */
const distant = Buffer.concat([
  Buffer.from('a text that comes again much later in this page'),
  Buffer.from(Array.from({ length: 20_000 }, (_, index) => (index * 7919) >>> 3)),
  Buffer.from('a text that comes again much later in this page'),
]);

const zstd = (bytes: Buffer) =>
  execFileSync('zstd', ['-q', '-c', `--stream-size=${bytes.length}`], { input: bytes });

describe.each([
  ['zlib', deflateSync],
  ['lzo', encodeLzo1x],
  ['snappy', encodeSnappy],
] as const)('%s', (name, encode) => {
  const decode = pageCodecs[name];

  test('gives back what was compressed, and only where it fits exactly', () => {
    fc.assert(
      fc.property(fc.oneof(content, fc.constant(distant)), (bytes) => {
        const packed = encode(bytes);
        const target = Buffer.alloc(bytes.length);
        expect(decode(packed, target)).toBe(true);
        expect(target.equals(bytes)).toBe(true);
        expect(decode(packed, Buffer.alloc(bytes.length + 1))).toBe(false);
        expect(decode(packed, Buffer.alloc(bytes.length - 1))).toBe(false);
      }),
      { numRuns: 200 },
    );
  });

  test('damaged and random input is decoded or refused', () => {
    fc.assert(
      fc.property(content, fc.nat(), fc.nat(255), (bytes, at, value) => {
        const packed = Buffer.from(encode(bytes));
        packed[at % packed.length] = value;
        expect([true, false]).toContain(decode(packed, Buffer.alloc(bytes.length)));
        expect(decode(packed.subarray(0, packed.length - 1 - (at % packed.length)), Buffer.alloc(4096))).toBe(
          false,
        );
        expect([true, false]).toContain(decode(bytes, Buffer.alloc(4096)));
      }),
      { numRuns: 300 },
    );
  });
});

test('zstd: what the zstd program compressed', () => {
  for (const bytes of [Buffer.alloc(4096, 7), distant, Buffer.from(distant.subarray(100, 4196))]) {
    const packed = zstd(bytes);
    const target = Buffer.alloc(bytes.length);
    expect(pageCodecs.zstd(packed, target)).toBe(true);
    expect(target.equals(bytes)).toBe(true);
    expect(pageCodecs.zstd(packed, Buffer.alloc(bytes.length + 1))).toBe(false);
    expect(pageCodecs.zstd(packed.subarray(0, packed.length - 5), Buffer.alloc(bytes.length))).toBe(false);
  }
});

test('zstd: damage is decoded or refused', () => {
  const packed = zstd(distant.subarray(0, 8192));
  fc.assert(
    fc.property(fc.nat(packed.length - 1), fc.nat(255), (at, value) => {
      const damaged = Buffer.from(packed);
      damaged[at] = value;
      expect([true, false]).toContain(pageCodecs.zstd(damaged, Buffer.alloc(8192)));
    }),
    { numRuns: 300 },
  );
});

test.each(['-1', '-3', '-9'])('lzo: the blocks that lzop %s writes', (level) => {
  const text = Buffer.concat([
    distant,
    Buffer.alloc(5000),
    Buffer.from(process.execPath.repeat(50)),
    distant,
  ]);
  const blocks = lzopBlocks(execFileSync('lzop', [level, '-c'], { input: text }));
  expect(blocks.length).toBeGreaterThan(0);
  for (const { length, start, bytes } of blocks) {
    const target = Buffer.alloc(length);
    expect(decodeLzo1x(bytes, target)).toBe(true);
    expect(target.equals(text.subarray(start, start + length))).toBe(true);
  }
});

/** The compressed blocks of an lzop file: behind its header two lengths, a checksum or two, and the data. */
function lzopBlocks(file: Buffer) {
  const nameLength = file.readUInt8(9 + 2 + 2 + 2 + 1 + 1 + 4 + 4 + 4 + 4);
  const flags = file.readUInt32BE(9 + 2 + 2 + 2 + 1 + 1);
  let at = 9 + 2 + 2 + 2 + 1 + 1 + 4 + 4 + 4 + 4 + 1 + nameLength + 4;
  const blocks = [];
  for (let start = 0; ;) {
    const length = file.readUInt32BE(at);
    if (length === 0) return blocks;
    const stored = file.readUInt32BE(at + 4);
    // F_ADLER32_D, F_CRC32_D; F_ADLER32_C, F_CRC32_C: those only for a block that got smaller.
    const plainSums = [0x1, 0x100].filter((bit) => flags & bit).length;
    const packedSums = stored < length ? [0x2, 0x200].filter((bit) => flags & bit).length : 0;
    const data = at + 8 + 4 * (plainSums + packedSums);
    if (stored < length) blocks.push({ length, start, bytes: file.subarray(data, data + stored) });
    start += length;
    at = data + stored;
  }
}
