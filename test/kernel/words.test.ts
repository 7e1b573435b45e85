import fc from 'fast-check';
import { pieceOf, readWord, readWordNumber, withinPiece } from '../../src/kernel/words.js';

const anyWord = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

test('words are read as Node reads them', () => {
  fc.assert(
    fc.property(anyWord, fc.nat(16), (value, at) => {
      const bytes = Buffer.alloc(24, 0xa5);
      bytes.writeBigUInt64LE(value, at);
      expect(readWord(bytes, at)).toBe(value);
      expect(readWordNumber(bytes, at)).toBe(Number(value));
    }),
  );
  expect(() => readWord(Buffer.alloc(8), 1)).toThrow(/out of range/);
});

test('an address is its piece of 4 KiB and a place in it, whatever its sign and size', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 65n }), (address) => {
      const wrapped = BigInt.asUintN(64, address);
      expect(BigInt(pieceOf(address)) * 4096n + BigInt(withinPiece(address))).toBe(wrapped);
      expect(withinPiece(address)).toBeLessThan(4096);
    }),
  );
});
