import { directoriesAbove } from '../../src/base/paths.js';

test.each([
  ['/', []],
  ['', []],
  ['/etc', []],
  ['etc', []],
  ['/etc/ssl/certs', ['/etc', '/etc/ssl']],
  ['etc/ssl/certs', ['etc', 'etc/ssl']],
])('the directories above %p', (path, directories) => {
  expect(directoriesAbove(path)).toEqual(directories);
});
