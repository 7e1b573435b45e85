import fc from 'fast-check';
import type { Mount } from '../../src/guest/guest.js';
import { reachableMounts } from '../../src/guest/reachable-mounts.js';

function mount(id: number, parentId: number, mountPoint: string): Mount {
  return {
    id,
    parentId,
    mountPoint,
    device: { major: 0, minor: id },
    root: '/',
    options: 'rw',
    type: 'tmpfs',
    source: 'tmpfs',
    superOptions: 'rw',
    uuid: undefined,
  };
}

const ids = (mounts: readonly Mount[]) => reachableMounts(mounts).map(({ id }) => id);

test('all are reachable that lie in each other', () => {
  // As after an initrd: what it mounted was moved into a root that was made later, and may be told before it.
  const mounts = [
    mount(21, 28, '/proc'),
    mount(24, 28, '/run'),
    mount(28, 1, '/'),
    mount(30, 24, '/run/lock'),
    mount(31, 24, '/run/user/0'),
    mount(33, 28, '/runs'),
  ];
  expect(ids(mounts)).toEqual([21, 24, 28, 30, 31, 33]);
});

test('one mount point has the last that was put there, in whatever order they are told', () => {
  const [root, first, second, third] = [
    mount(1, 1, '/'),
    mount(2, 1, '/srv'),
    mount(3, 2, '/srv'),
    mount(4, 3, '/srv'),
  ];
  expect(ids([root, first, second, third])).toEqual([1, 4]);
  expect(ids([third, second, first, root])).toEqual([4, 1]);
});

test('what lies below a mount point is hidden by what is mounted there later', () => {
  const before = [mount(1, 0, '/'), mount(2, 1, '/srv/a'), mount(3, 2, '/srv/a/b')];
  expect(ids([...before, mount(4, 1, '/srv'), mount(5, 4, '/srv/a')])).toEqual([1, 4, 5]);
  expect(ids([...before, mount(4, 2, '/srv/a')])).toEqual([1, 4]);
  expect(ids([...before, mount(4, 2, '/srv/a'), mount(5, 4, '/srv/a/b')])).toEqual([1, 4, 5]);
});

test('what is mounted on the root is in no path', () => {
  expect(ids([mount(1, 0, '/'), mount(2, 1, '/'), mount(3, 2, '/etc'), mount(4, 1, '/etc')])).toEqual([1, 4]);
});

test('mounts that are in each other, or have one number, end', () => {
  expect(ids([mount(1, 2, '/'), mount(2, 1, '/a')])).toEqual([]);
  expect(ids([mount(1, 0, '/'), mount(2, 3, '/a'), mount(3, 2, '/a/b'), mount(1, 1, '/c')])).toEqual([1]);
  const point = fc.array(fc.constantFrom('a', 'b'), { maxLength: 3 }).map((names) => '/' + names.join('/'));
  const any = fc.tuple(fc.nat(5), fc.nat(5), point).map((parts) => mount(...parts));
  fc.assert(
    fc.property(fc.array(any, { maxLength: 8 }), (mounts) => {
      const found = reachableMounts(mounts);
      expect(new Set(found).size).toBe(found.length);
    }),
  );
});
