import fc from 'fast-check';
import { absolutePath, atFdcwd, kernelName, pathInRoot } from '../../src/tracer/paths.js';
import { packStrings, unpackStrings } from '../../src/tracer/records.js';

const name = (path: string, base = '/work', root = '/', directoryFd = atFdcwd) => ({
  path: Buffer.from(path, 'latin1'),
  base: Buffer.from(base),
  root: Buffer.from(root),
  directoryFd,
});
const text = (bytes: Buffer) => bytes.toString('latin1');

test.each([
  [name('/bin/sh'), '/bin/sh', '/bin/sh', '/bin/sh'],
  [
    name('./preinst', '/var/lib/dpkg/tmp.ci'),
    '/var/lib/dpkg/tmp.ci/preinst',
    '/var/lib/dpkg/tmp.ci/./preinst',
    './preinst',
  ],
  [name('../a//b', '/x/y'), '/x/a/b', '/x/y/../a//b', '../a//b'],
  [name('/bin/sh', '/srv/c/tmp', '/srv/c'), '/srv/c/bin/sh', '/bin/sh', '/bin/sh'],
  [name('sh', '/srv/c/bin', '/srv/c'), '/srv/c/bin/sh', '/bin/sh', 'sh'],
  [name('sh', '/srv/c', '/srv/c'), '/srv/c/sh', '//sh', 'sh'],
  [name('sh', '/usr/bin', '/', 7), '/usr/bin/sh', '/usr/bin/sh', '/dev/fd/7/sh'],
  [name('', '/usr/bin/sh', '/', 7), '/usr/bin/sh', '/usr/bin/sh/', '/dev/fd/7'],
  [name('\xff\xfe', '/'), '/\xff\xfe', '//\xff\xfe', '\xff\xfe'],
])('%j', (program, absolute, inRoot, kernel) => {
  expect(text(absolutePath(program))).toBe(absolute);
  expect(text(pathInRoot(program))).toBe(inRoot);
  expect(text(kernelName(program))).toBe(kernel);
});

test('strings survive packing, byte for byte', () => {
  const string = fc
    .uint8Array({ maxLength: 20 })
    .map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 0)));
  fc.assert(
    fc.property(fc.array(string), (strings) => expect(unpackStrings(packStrings(strings))).toEqual(strings)),
  );
  expect(() => packStrings(['a\0b'])).toThrow(RangeError);
  expect(unpackStrings(Buffer.from('a\0b'))).toEqual([Buffer.from('a'), Buffer.from('b')]);
});
