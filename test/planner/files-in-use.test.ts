import type { OpenFile } from '../../src/guest/guest.js';
import { FilesInUse } from '../../src/planner/files-in-use.js';
import { directory, put, remove } from './file-model.js';

const file = (target: string, writable = true): OpenFile => ({
  ...{ descriptor: 3, readable: true, writable, target, position: 0n, flags: 0, mountId: 1 },
});

test('the removal of a file to which a process writes is found', () => {
  const inUse = new FilesInUse({
    openFiles: () =>
      new Map([
        [7, [file('/var/lib/db/data'), file('/var/lib/db/read', false), file('pipe:[12]')]],
        [8, [file('/var/log/db.log')]],
      ]),
  });
  const removed = (...paths: string[]) => inUse.removedBy(paths.map((path) => remove(path)));
  expect(removed('/var/lib/db/read', '/var/lib/other', '/var/lib')).toBeUndefined();
  expect(removed('/var/lib/db/read', '/var/lib/db/data')).toBe('/var/lib/db/data');
  expect(inUse.removedBy([put('/var/log/db.log', directory())])).toBeUndefined();
});
