/** A Debian package that a plan's command makes in the guest, with the guest's own dpkg-deb. */
export interface TestPackage {
  readonly version: string;
  /** Path to content. */
  readonly files?: Readonly<Record<string, string>>;
  readonly conffiles?: readonly string[];
  /** Control files besides `control` and `conffiles`. */
  readonly control?: Readonly<Record<string, string>>;
}

/** Where {@link buildPackage} puts the package `app` of a version. */
export const packageFile = (version: string): string => `/var/tmp/app-${version}.deb`;

/** Shell lines that make a package called `app`. */
export function buildPackage({ version, files = {}, conffiles = [], control = {} }: TestPackage): string {
  const fields = [
    'Package: app',
    `Version: ${version}`,
    'Architecture: all',
    'Maintainer: A <a@example.org>',
  ];
  const all = {
    ...files,
    '/DEBIAN/control': [...fields, 'Description: test', ''].join('\n'),
    ...(conffiles.length > 0 && { '/DEBIAN/conffiles': `${conffiles.join('\n')}\n` }),
    ...Object.fromEntries(Object.entries(control).map(([name, text]) => [`/DEBIAN/${name}`, text])),
  };
  const lines = Object.entries(all).flatMap(([path, text]) => [
    `mkdir -p "$(dirname "$tree${path}")"`,
    `echo ${Buffer.from(text).toString('base64')} | base64 -d > "$tree${path}"`,
  ]);
  return [
    ...['set -e', 'tree=$(mktemp -d)', 'chmod 755 "$tree"', ...lines],
    ...Object.keys(control).map((name) => `chmod 755 "$tree/DEBIAN/${name}"`),
    `dpkg-deb --root-owner-group --build "$tree" ${packageFile(version)}`,
    'rm -r "$tree"',
    '',
  ].join('\n');
}
