import { databaseFormat } from '../../src/planner/databases.js';

test.each([
  ['/etc/passwd', 'accounts'],
  ['/etc/group', 'accounts'],
  ['/etc/shadow', 'shadow'],
  ['/etc/gshadow', 'shadow'],
  ['/etc/subuid', 'ranges'],
  ['/etc/subgid', 'ranges'],
  ['/var/lib/dpkg/status', 'status'],
  ['/var/lib/dpkg/diversions', 'diversions'],
  ['/var/lib/dpkg/statoverride', 'statoverride'],
  ['/var/lib/dpkg/triggers/Unincorp', 'triggers'],
  ['/var/lib/dpkg/alternatives/editor', 'alternatives'],
  ['/var/lib/dpkg/alternatives/x-session.manager', 'alternatives'],
  ['/var/cache/debconf/config.dat', 'debconf'],
  ['/var/cache/debconf/passwords.dat', 'debconf'],
  ['/var/cache/debconf/templates.dat', 'debconf'],
])('%s is merged as %s', (path, format) => {
  expect(databaseFormat(Buffer.from(path))).toBe(format);
});

test.each([
  '/etc/passwd-',
  '/etc/shadow-',
  '/etc/passwd.lock',
  '/etc/passwd+',
  '/srv/etc/passwd',
  '/etc/hosts',
  '/var/lib/dpkg/status-old',
  '/var/lib/dpkg/status-new',
  '/var/lib/dpkg/diversions-old',
  '/var/lib/dpkg/triggers/File',
  '/var/lib/dpkg/alternatives',
  '/var/lib/dpkg/alternatives/editor.dpkg-tmp',
  '/var/lib/dpkg/alternatives/more/editor',
  '/var/cache/debconf/config.dat-old',
  '/var/lib/dpkg/available',
  '/etc/alternatives/editor',
])('%s is a whole file', (path) => {
  expect(databaseFormat(Buffer.from(path))).toBeUndefined();
});
