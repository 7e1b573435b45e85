import { packagesToUpgrade } from './sixty.js';

const index = (...rows: readonly string[]) =>
  rows
    .map((row) => {
      const [name, version, source] = row.split(' ');
      return `Package: ${name}\n${source ? `Source: ${source} (1.0)\n` : ''}Version: ${version}\n`;
    })
    .join('\n');
const status = (...rows: readonly string[]) =>
  rows
    .map((row) => {
      const [name, version, state = 'installed'] = row.split(' ');
      return `Package: ${name}\nStatus: install ok ${state}\nArchitecture: amd64\nVersion: ${version}\n`;
    })
    .join('\n');

test('whole source packages are taken by name, as long as they fit', () => {
  const archive = index('z-lib 2 aaa', 'z-bin 2 aaa', 'middle 2', 'y1 2 big', 'y2 2 big', 'last 2');
  const guest = status('z-lib 1', 'z-bin 1', 'middle 1', 'y1 1', 'y2 1', 'last 1', 'other 1');
  expect(packagesToUpgrade(archive, guest, 6)).toEqual(['z-lib', 'z-bin', 'y1', 'y2', 'last', 'middle']);
  expect(packagesToUpgrade(archive, guest, 3)).toEqual(['z-lib', 'z-bin', 'last']);
});

test('what is not installed, or has no later version, is left out with its source', () => {
  const archive = index('a 2', 'b 2 pair', 'c 2 pair', 'd 1', 'e 2');
  const guest = status('a 1', 'b 1', 'd 1', 'e 1 config-files');
  expect(packagesToUpgrade(archive, guest)).toEqual(['a']);
});
