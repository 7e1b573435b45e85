/** What an update does to a package, or to all of them. */
export const operations = ['install', 'upgrade', 'remove', 'purge', 'dist-upgrade'] as const;
export type Operation = (typeof operations)[number];

/**
 * The guest that an operation begins with: `bare` has as few of the packages as it can, and an archive to install
 * them from; `full` has them all, and an archive with a later version of each.
 */
export type GuestKind = 'bare' | 'full';

/** What a case is called that is about all packages. */
export const everything = '(all)';

interface OperationRow {
  readonly guest: GuestKind;
  /** Whether there is one case for each package, or one for all. */
  readonly each: boolean;
  readonly command: (name: string) => readonly string[];
}

const apt = (...words: string[]) => ['apt-get', '-y', '--no-install-recommends', ...words];

/**
 * Each operation's guest and command. A package that the bare guest cannot be without is installed again, in the
 * version that it has: the same unpacking and configuring. To any other `--reinstall` means nothing.
 */
export const operationTable: Readonly<Record<Operation, OperationRow>> = {
  install: {
    guest: 'bare',
    each: true,
    command: (name) => apt('--reinstall', 'install', name),
  },
  upgrade: { guest: 'full', each: true, command: (name) => apt('--only-upgrade', 'install', name) },
  remove: { guest: 'full', each: true, command: (name) => apt('remove', name) },
  purge: { guest: 'full', each: true, command: (name) => apt('purge', name) },
  'dist-upgrade': { guest: 'full', each: false, command: () => apt('dist-upgrade') },
};
