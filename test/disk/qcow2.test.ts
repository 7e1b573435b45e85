import fc from 'fast-check';
import { OuaError } from '../../src/base/errors.js';
import { looksLikeQcow2, parseQcow2 } from '../../src/disk/qcow2.js';

/** A version 3 header, QEMU docs/interop/qcow2.txt. */
function header(backing = '', format = ''): Buffer {
  const start = Buffer.alloc(1024);
  start.write('QFI\xfb', 'latin1');
  start.writeUInt32BE(3, 4);
  start.writeUInt32BE(16, 20);
  start.writeUInt32BE(104, 100);
  if (format !== '') {
    start.writeUInt32BE(0xe2792aca, 104);
    start.writeUInt32BE(format.length, 108);
    start.write(format, 112);
  }
  if (backing !== '') {
    start.writeBigUInt64BE(200n, 8);
    start.writeUInt32BE(backing.length, 16);
    start.write(backing, 200);
  }
  return start;
}

test('reads the backing file and its format', () => {
  expect(parseQcow2('i', header())).toEqual({ backingFile: undefined, backingFormat: undefined });
  expect(parseQcow2('i', header('base'))).toEqual({ backingFile: 'base', backingFormat: undefined });
  expect(parseQcow2('i', header('base', 'qcow2'))).toEqual({ backingFile: 'base', backingFormat: 'qcow2' });
});

test('any bytes give a header or an error of ours', () => {
  const bytes = fc
    .uint8Array({ maxLength: 200 })
    .map((tail) => Buffer.concat([Buffer.from('QFI\xfb', 'latin1'), tail]));
  const patched = fc
    .tuple(fc.nat(300), fc.uint8Array({ maxLength: 8 }))
    .map(([at, patch]) => withPatch(at, patch));
  fc.assert(
    fc.property(fc.oneof(bytes, patched), (start) => {
      try {
        parseQcow2('image', start);
      } catch (error) {
        expect(error).toBeInstanceOf(OuaError);
      }
    }),
    { numRuns: 2000 },
  );
});

function withPatch(at: number, patch: Uint8Array): Buffer {
  const start = header('base', 'raw');
  start.set(patch, at);
  return start;
}

test('only the magic number makes a qcow2', () => {
  expect(looksLikeQcow2(header())).toBe(true);
  expect(looksLikeQcow2(Buffer.from('QFI'))).toBe(false);
});
