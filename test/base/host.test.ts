import { hostPrograms } from '../../src/base/command.js';
import { checkHost } from '../../src/base/host.js';

test('every program of the table is looked for, and missing ones come with a package to install', () => {
  const findings = checkHost();
  for (const [program, debianPackage] of Object.entries(hostPrograms)) {
    const finding = findings.find(({ what }) => what === program);
    expect(finding?.hint).toBe(`apt-get install ${debianPackage}`);
  }
});

test('this machine is ready', () => {
  expect(checkHost().filter(({ ok }) => !ok)).toEqual([]);
});
