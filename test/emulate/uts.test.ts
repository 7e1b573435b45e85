import { packedUtsSize, packUts } from '../../src/emulate/uts.js';

const uts = {
  sysname: 'Linux',
  nodename: 'vm1',
  release: '6.1.0-38-amd64',
  version: '#1 SMP PREEMPT_DYNAMIC Debian 6.1.147-1',
  machine: 'x86_64',
  domainname: '(none)',
};
const withCode = expect.objectContaining({ code: 'GUEST_INCONSISTENT' }) as unknown as Error;
const field = (packed: Buffer, index: number) => {
  const bytes = packed.subarray(index * 65, (index + 1) * 65);
  return bytes.subarray(0, bytes.indexOf(0)).toString();
};

test('two whole utsnames, the second with the machine of PER_LINUX32', () => {
  const packed = packUts(uts);
  expect(packed).toHaveLength(packedUtsSize);
  expect(Array.from({ length: 12 }, (_, index) => field(packed, index))).toEqual([
    ...Object.values(uts),
    ...Object.values({ ...uts, machine: 'i686' }),
  ]);
});

test('a name of 64 bytes fits; a longer one, or one with a NUL, is refused', () => {
  expect(field(packUts({ ...uts, nodename: 'n'.repeat(64) }), 1)).toHaveLength(64);
  for (const nodename of ['n'.repeat(65), 'ä'.repeat(33), 'a\0b'])
    expect(() => packUts({ ...uts, nodename })).toThrow(withCode);
});

test('a machine without a 32-bit kin keeps its name', () => {
  expect(field(packUts({ ...uts, machine: 'riscv64' }), 10)).toBe('riscv64');
});
