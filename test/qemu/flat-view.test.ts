import { parseFlatViews } from '../../src/qemu/flat-view.js';

const text = `FlatView #0
 AS "I/O", root: io
 Root memory region: io
  0000000000000000-0000000000000007 (prio 0, i/o): dma-chan

FlatView #1
 AS "cpu-smm-0", root: memory
 AS "memory", root: system
 Root memory region: system
  0000000000000000-00000000000bffff (prio 0, ram): pc.ram
  00000000000c0000-00000000000dffff (prio 1, rom): pc.ram @00000000000c0000
  00000000000e0000-000000007fffffff (prio 0, ram): /objects/my ram @00000000000e0000 KVM
  00000000fee00000-00000000feefffff (prio 4096, i/o): apic-msi
  00000000fd000000-00000000fdffffff (prio 1, romd): flash
  0000000100000000-000000017fffffff (prio 0, nv-ram): mem @0000000080000000

`;

test('the RAM that the CPUs see, of the view of the memory', () => {
  expect(parseFlatViews(text)).toEqual([
    { address: 0, length: 0xc0000, region: 'pc.ram', offset: 0 },
    { address: 0xc0000, length: 0x20000, region: 'pc.ram', offset: 0xc0000 },
    { address: 0xe0000, length: 0x80000000 - 0xe0000, region: '/objects/my ram', offset: 0xe0000 },
    { address: 2 ** 32, length: 2 ** 31, region: 'mem', offset: 2 ** 31 },
  ]);
  expect(parseFlatViews('unknown command: info')).toEqual([]);
  expect(parseFlatViews(text.replaceAll('\n', '\r\n'))).toHaveLength(4);
});
