import fc from 'fast-check';
import { pathInRoot } from '../../src/tracer/paths.js';
import { packStrings, unpackStrings } from '../../src/tracer/records.js';

test.each([
  ['/bin/sh', '/work', '/', '/bin/sh'],
  ['./preinst', '/var/lib/dpkg/tmp.ci', '/', '/var/lib/dpkg/tmp.ci/./preinst'],
  ['../a//b', '/x/y', '/', '/x/y/../a//b'],
  ['/bin/sh', '/srv/c/tmp', '/srv/c', '/bin/sh'],
  ['sh', '/srv/c/bin', '/srv/c', '/bin/sh'],
  ['sh', '/srv/c', '/srv/c', '//sh'],
  ['', '/usr/bin/sh', '/', '/usr/bin/sh/'],
  ['\xff\xfe', '/', '/', '//\xff\xfe'],
])('%j in %j below %j', (path, base, root, inRoot) => {
  const name = { path: Buffer.from(path, 'latin1'), base: Buffer.from(base), root: Buffer.from(root) };
  expect(pathInRoot(name).toString('latin1')).toBe(inRoot);
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
