import { fromGuestPath, toGuestPath, type Layer, type Part } from '../../../src/shadow/fs/layer.js';

const layerOf = (first: Part, ...elsewhere: Part[]): Layer => ({
  ...first,
  ...{ elsewhere, onDisk: true, lower: '', upper: '', merged: '', limit: 0 },
});
const covering = (...covered: string[]) => ({ covered: new Set(covered) });
const named = (layer: Layer, path: string) => toGuestPath(layer, path)?.toString('latin1');

/** `/home` and `/var` are parts of a disk that is at `/mnt/data` as well. */
const root = layerOf({ at: '/', root: '/', ...covering('/home', '/var', '/mnt/data') });
const data = layerOf(
  { at: '/home', root: '/home' },
  { at: '/var', root: '/lib/var', ...covering('/var/tmp') },
  { at: '/mnt/data', root: '/', ...covering('/mnt/data/x') },
);

test.each([
  ['', '/mnt/data'],
  ['top', '/mnt/data/top'],
  ['homes', '/mnt/data/homes'],
  // The largest part, unless packages have their files below another one.
  ['home/a', '/mnt/data/home/a'],
  ['lib/var', '/var'],
  ['lib/var/lib/dpkg/status', '/var/lib/dpkg/status'],
  ['lib/var/tmp/a', '/mnt/data/lib/var/tmp/a'],
])('a file has one of its names: %s', (path, name) => {
  expect(named(data, path)).toBe(name);
  expect(fromGuestPath([root, data], Buffer.from(name))).toMatchObject({ layer: data, path });
});

test.each([
  ['/home/a', data, 'home/a'],
  ['/mnt/data/lib/var', data, 'lib/var'],
  ['/', root, ''],
  ['/etc', root, 'etc'],
  ['/homes', root, 'homes'],
])('all of its names lead there: %s', (name, layer, path) => {
  expect(fromGuestPath([root, data], Buffer.from(name))).toMatchObject({ layer, path });
});

test('what is covered, or in no part that is mounted, has no name', () => {
  expect(named(data, 'x/a')).toBeUndefined();
  expect(named(data, 'x')).toBeUndefined();
  expect(named(root, 'home/a')).toBeUndefined();
  expect(fromGuestPath([root, data], Buffer.from('/var/tmp/a'))).toBeUndefined();
  expect(named(layerOf({ at: '/srv', root: '/a/b' }), 'a')).toBeUndefined();
});

test('a mount that can be written to comes first, and of two that are alike the first one', () => {
  const whole = { at: '/usr', root: '/', flags: ['ro', 'nosuid'] };
  const part = { at: '/srv/share', root: '/share' };
  expect(named(layerOf(whole, part), 'share/a')).toBe('/srv/share/a');
  expect(named(layerOf(whole, part), 'a')).toBe('/usr/a');
  expect(named(layerOf({ at: '/a', root: '/' }, { at: '/b', root: '/' }), 'a')).toBe('/a/a');
});

test('one file can be mounted, too', () => {
  const layer = layerOf({ at: '/etc/name', root: '/names/a' });
  expect(named(layer, 'names/a')).toBe('/etc/name');
  expect(named(layer, 'names/ab')).toBeUndefined();
  expect(fromGuestPath([root, layer], Buffer.from('/etc/name'))).toMatchObject({ layer, path: 'names/a' });
});
