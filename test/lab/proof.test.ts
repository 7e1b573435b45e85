import { installedVersions } from './proof.js';

const query = [
  'libssl3:amd64 amd64 3.0.22-1 ii ',
  'nginx amd64 1.22.1-9 ii ',
  'nginx-common all 1.22.1-9 iF ',
  'gone amd64 1 rc ',
].join('\n');

describe('installedVersions', () => {
  test('accepts packages that are fully there, and removed ones that are not', () => {
    const finding = installedVersions(query, [
      { name: 'libssl3', architecture: 'amd64', to: '3.0.22-1' },
      { name: 'nginx', architecture: 'amd64', to: '1.22.1-9' },
      { name: 'gone', architecture: 'amd64' },
      { name: 'never', architecture: 'amd64' },
    ]);
    expect(finding).toMatchObject({ ok: true, detail: '' });
  });

  test.each([
    ['another version', { name: 'nginx', architecture: 'amd64', to: '2' }],
    ['another architecture', { name: 'nginx', architecture: 'i386', to: '1.22.1-9' }],
    ['half-configured', { name: 'nginx-common', architecture: 'all', to: '1.22.1-9' }],
    ['missing', { name: 'curl', architecture: 'amd64', to: '7' }],
    ['still there', { name: 'libssl3', architecture: 'amd64' }],
  ])('names a package that is %s', (_case, expected) => {
    expect(installedVersions(query, [expected])).toMatchObject({
      ok: false,
      detail: `not as planned: ${expected.name}`,
    });
  });
});
