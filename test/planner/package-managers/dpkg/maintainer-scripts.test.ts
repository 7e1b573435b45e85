import { maintainerScript } from '../../../../src/planner/package-managers/dpkg/maintainer-scripts.js';

const environment = (...entries: string[]) => entries.map((entry) => Buffer.from(entry));
const owner = environment('PATH=/bin', 'DPKG_MAINTSCRIPT_PACKAGE=nginx-common');

test.each([
  ['/var/lib/dpkg/info/nginx.postinst', { package: 'nginx', kind: 'postinst' }],
  ['/var/lib/dpkg/info/libssl3:amd64.prerm', { package: 'libssl3', kind: 'prerm' }],
  ['/var/lib/dpkg/info/libstdc++6.postrm', { package: 'libstdc++6', kind: 'postrm' }],
  ['/var/lib/dpkg/tmp.ci/preinst', { package: 'nginx-common', kind: 'preinst' }],
  ['/var/lib/dpkg/tmp.ci/postrm', { package: 'nginx-common', kind: 'postrm' }],
] as const)('%s is one', (path, expected) => {
  expect(maintainerScript(path, owner)).toEqual(expected);
});

test.each([
  '/var/lib/dpkg/info/nginx.config',
  '/var/lib/dpkg/info/nginx.list',
  '/var/lib/dpkg/info/sub/nginx.postinst',
  '/var/lib/dpkg/tmp.ci/config',
  '/var/lib/dpkg/tmp.ci/postinst.bak',
  '/tmp/var/lib/dpkg/info/nginx.postinst',
  '/usr/bin/dpkg',
])('%s is not', (path) => {
  expect(maintainerScript(path, owner)).toBeUndefined();
});

test('a script of the temporary control directory without an owner in its environment is not dpkg’s', () => {
  expect(maintainerScript('/var/lib/dpkg/tmp.ci/preinst', environment('PATH=/bin'))).toBeUndefined();
});
