import { packUts } from '../../src/emulate/uts.js';

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

const release26 = { ...uts, release: '2.6.61-38-amd64' };

test('four whole utsnames: plain, under PER_LINUX32, under UNAME26 and under both', () => {
  const packed = packUts(uts);
  expect(packed).toHaveLength(4 * 6 * 65);
  expect(Array.from({ length: 24 }, (_, index) => field(packed, index))).toEqual([
    ...Object.values(uts),
    ...Object.values({ ...uts, machine: 'i686' }),
    ...Object.values(release26),
    ...Object.values({ ...release26, machine: 'i686' }),
  ]);
});

test.each([
  ['6.18.44-fc', '2.6.78-fc'],
  ['5.10', '2.6.70'],
  ['6.1.0.7-x', '2.6.61.7-x'],
  ['6.1.0+', '2.6.61+'],
  [`6.1.0${'r'.repeat(59)}`, `2.6.61${'r'.repeat(58)}`],
])('UNAME26 makes of %s %s', (release, expected) => {
  expect(field(packUts({ ...uts, release }), 14)).toBe(expected);
});

test('a name of 64 bytes fits; a longer one, or one with a NUL, is refused', () => {
  expect(field(packUts({ ...uts, nodename: 'n'.repeat(64) }), 1)).toHaveLength(64);
  for (const nodename of ['n'.repeat(65), 'ä'.repeat(33), 'a\0b'])
    expect(() => packUts({ ...uts, nodename })).toThrow(withCode);
  expect(() => packUts({ ...uts, release: 'mine' })).toThrow(withCode);
});

test('a machine without a 32-bit kin keeps its name', () => {
  expect(field(packUts({ ...uts, machine: 'riscv64' }), 10)).toBe('riscv64');
});
