import { readLayout, StructView } from '../../src/kernel/struct-view.js';
import type { Member } from '../../src/kernel/layout.js';

const bytes = Buffer.from('fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0', 'hex');

/** A task whose pid is that member of the bytes. */
function viewOf(pid: Member) {
  const layout = readLayout('task_struct', { size: bytes.length, members: { pid } });
  return new StructView('task_struct', 0n, layout, bytes.subarray(layout.start));
}

describe('a member that is a number', () => {
  test.each([
    [1, -1, 0xff],
    [2, -257, 0xfeff],
    [4, -50462977, 0xfcfdfeff],
  ] as const)('of %d bytes', (size, signed, unsigned) => {
    const view = viewOf([0, size]);
    expect(view.int('pid')).toBe(signed);
    expect(view.uint('pid')).toBe(unsigned);
    expect(view.u64('pid')).toBe(BigInt(unsigned));
  });

  test('of 8 bytes, and the first word of a longer one', () => {
    expect(viewOf([0, 8]).u64('pid')).toBe(0xf8f9fafbfcfdfeffn);
    expect(viewOf([0, 16]).u64('pid')).toBe(0xf8f9fafbfcfdfeffn);
  });

  test('that is a few bits of its storage', () => {
    expect(viewOf([0, 2, 4, 6]).u64('pid')).toBe(0x2fn);
    expect(viewOf([0, 2, 4, 6]).uint('pid')).toBe(0x2f);
  });

  // What a few changed bits make of type information.
  test.each([0, 3, 5, 6, 7])('of %d bytes is refused', (size) => {
    const view = viewOf([4, size]);
    const refusal = expect.objectContaining({
      code: 'KERNEL_UNSUPPORTED',
      message: expect.stringContaining(`pid of ${size} bytes`) as unknown,
    }) as unknown as Error;
    expect(() => view.int('pid')).toThrow(refusal);
    expect(() => view.uint('pid')).toThrow(refusal);
    expect(() => view.u64('pid')).toThrow(refusal);
    expect(() => view.pointer('pid')).toThrow(refusal);
    expect(view.raw('pid')).toHaveLength(size);
  });

  test('that this kernel does not have is refused', () => {
    const refusal = expect.objectContaining({ code: 'KERNEL_UNSUPPORTED' }) as unknown as Error;
    expect(() => viewOf([0, 4]).int('tgid')).toThrow(refusal);
  });
});
