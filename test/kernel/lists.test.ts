import type { Kernel } from '../../src/kernel/kernel.js';
import { hashListEntries } from '../../src/kernel/lists.js';

/** A kernel that is only memory, from address 0. */
function kernelWith(words: readonly bigint[]): Kernel {
  const bytes = Buffer.alloc(words.length * 8);
  words.forEach((word, index) => bytes.writeBigUInt64LE(word, index * 8));
  const read = (address: bigint, length: number) => bytes.subarray(Number(address), Number(address) + length);
  const memory: Pick<Kernel, 'read' | 'pointer'> = {
    read,
    pointer: (address) => read(address, 8).readBigUInt64LE(0),
  };
  return memory as Kernel;
}

const entries = (...words: bigint[]) => [...hashListEntries(kernelWith(words), 0n, 'things')];

describe('a hash list', () => {
  test('is walked from its head', () => {
    expect(entries(0n)).toEqual([]);
    expect(entries(16n, 0n, 32n, 0n, 0n, 16n)).toEqual([16n, 32n]);
  });

  test('with a wrong back link is torn', () => {
    expect(() => entries(16n, 0n, 32n, 0n, 0n, 0n)).toThrow(/torn at 0x20/);
  });

  test('that loops is torn where it comes back', () => {
    expect(() => entries(16n, 0n, 32n, 0n, 16n, 16n)).toThrow(/torn at 0x10/);
  });
});
