import { isIPv4, isIPv6 } from 'node:net';
import fc from 'fast-check';
import { decodeAddress } from '../../src/tracer/sockaddr.js';

const address = (family: number, ...bytes: number[]) => Buffer.from([family & 0xff, family >> 8, ...bytes]);

test.each([
  [
    address(1, ...Buffer.from('/run/x\0rest')),
    { family: 'unix', path: Buffer.from('/run/x'), abstract: false },
  ],
  [address(1, 0x2f, 0xff), { family: 'unix', path: Buffer.from([0x2f, 0xff]), abstract: false }],
  [address(1, 0, 0x61, 0, 0x62), { family: 'unix', path: Buffer.from('a\0b'), abstract: true }],
  [address(1), { family: 'unix', path: Buffer.alloc(0), abstract: false }],
  [
    address(2, 0x1f, 0x90, 10, 0, 2, 15, ...Buffer.alloc(8)),
    { family: 'inet', host: '10.0.2.15', port: 8080 },
  ],
  [
    address(10, 0, 53, ...Buffer.alloc(4), 0xfe, 0x80, ...Buffer.alloc(13), 1, 7, 0, 0, 0),
    { family: 'inet6', host: 'fe80::1', port: 53, scope: 7 },
  ],
  [address(16, 0, 0, 5, 0, 0, 0, 3, 0, 0, 0), { family: 'netlink', pid: 5, groups: 3 }],
  [address(2, 0, 80, 1), { family: 'other', number: 2 }],
  [address(40, 1, 2, 3), { family: 'other', number: 40 }],
  [Buffer.alloc(1), { family: 'other', number: -1 }],
  [Buffer.alloc(0), { family: 'other', number: -1 }],
])('%# is decoded', (bytes, decoded) => {
  expect(decodeAddress(bytes)).toEqual(decoded);
});

test('whatever the bytes are, an address comes out that says no more than they do', () => {
  const family = fc.constantFrom(0, 1, 2, 10, 16, 17, 255);
  fc.assert(
    fc.property(family, fc.uint8Array({ maxLength: 140 }), fc.nat(142), (number, rest, cut) => {
      const bytes = address(number, ...rest).subarray(0, cut);
      const decoded = decodeAddress(bytes);
      if (decoded.family === 'inet') expect(isIPv4(decoded.host)).toBe(true);
      if (decoded.family === 'inet6') expect(isIPv6(decoded.host)).toBe(true);
      if (decoded.family === 'unix') expect(decoded.path.length).toBeLessThanOrEqual(bytes.length - 2);
      if (decoded.family === 'other' && bytes.length >= 2) expect(decoded.number).toBe(number);
    }),
    { numRuns: 2000 },
  );
});
