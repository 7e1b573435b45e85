import { packageChanges } from '../../../../src/planner/package-managers/changes.js';
import { parseStatus, presentPackages } from '../../../../src/planner/package-managers/dpkg/status.js';

const paragraph = (name: string, version: string, status = 'install ok installed') =>
  `Package: ${name}\nStatus: ${status}\nArchitecture: amd64\nVersion: ${version}\nDescription: short\n long\n .\n Version: no\n`;

test('reads the fields of a paragraph and not their continuation lines', () => {
  expect(parseStatus(paragraph('bash', '5.2-1'))).toEqual([
    {
      name: 'bash',
      architecture: 'amd64',
      version: '5.2-1',
      want: 'install',
      flag: 'ok',
      state: 'installed',
    },
  ]);
});

test('paragraphs without a name or a whole status are skipped', () => {
  expect(parseStatus('Foo: bar\n\nPackage: x\nStatus: install\n\n')).toEqual([]);
});

test('upgrades, installs and removals; a removed package that left its configuration counts as removed', () => {
  const before = parseStatus([paragraph('a', '1'), paragraph('b', '1'), paragraph('c', '1')].join('\n'));
  const after = parseStatus(
    [
      paragraph('a', '2'),
      paragraph('b', '1'),
      paragraph('c', '1', 'deinstall ok config-files'),
      paragraph('d', '1'),
    ].join('\n'),
  );
  expect(packageChanges(before, presentPackages(after))).toEqual([
    { name: 'a', architecture: 'amd64', from: '1', to: '2' },
    { name: 'c', architecture: 'amd64', from: '1', to: undefined },
    { name: 'd', architecture: 'amd64', from: undefined, to: '1' },
  ]);
});

test('the same package of two architectures is two packages', () => {
  const both = parseStatus(`${paragraph('libc6', '1')}\n${paragraph('libc6', '1').replace('amd64', 'i386')}`);
  expect(packageChanges([], both)).toHaveLength(2);
});
