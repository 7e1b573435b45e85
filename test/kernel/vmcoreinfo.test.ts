import fc from 'fast-check';
import { parseVmcoreInfo } from '../../src/kernel/vmcoreinfo.js';

test('VMCOREINFO is pairs, one a line', () => {
  const info = parseVmcoreInfo(
    'OSRELEASE=6.1.0-test\nPAGESIZE=4096\nSYMBOL(_stext)=ffffffff81000000\nKERNELOFFSET=2c000000\n',
  );
  expect(info.release).toBe('6.1.0-test');
  expect(info.kernelOffset).toBe(0x2c000000n);
  expect(info.values.get('SYMBOL(_stext)')).toBe('ffffffff81000000');
});

test('any text is read, and an offset is a number or nothing', () => {
  expect(parseVmcoreInfo('KERNELOFFSET=zz').kernelOffset).toBeUndefined();
  fc.assert(fc.property(fc.string(), (text) => void parseVmcoreInfo(text)));
});
