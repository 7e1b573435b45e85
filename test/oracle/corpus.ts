import type { Operation } from './operations.js';

/** Why an operation on a package makes no case: what the guest's own apt does with it. */
const needed = 'apt refuses: the package is essential';
const bootsGuest = 'removal takes the running kernel or init with it, which their own scripts refuse';

/** A package of the corpus, and the operations that no update in a guest can be compared for. */
export interface CorpusRow {
  readonly package: string;
  readonly without: Readonly<Partial<Record<Operation, string>>>;
}

const cannotGo = (why: string) => ({ remove: why, purge: why });

/**
 * Packages that a naive replay gets wrong, one way or another: services, sockets, users, diversions, triggers, host
 * keys, conffile moves, essential packages, libraries that everything uses.
 */
export const corpus: readonly CorpusRow[] = [
  { package: 'nginx', without: {} },
  { package: 'openssl', without: {} },
  { package: 'libssl3', without: cannotGo(bootsGuest) },
  { package: 'libc6', without: cannotGo(needed) },
  { package: 'openssh-server', without: {} },
  { package: 'systemd', without: cannotGo(bootsGuest) },
  { package: 'udev', without: cannotGo(bootsGuest) },
  { package: 'dbus', without: {} },
  { package: 'man-db', without: {} },
  { package: 'cron', without: {} },
  { package: 'ca-certificates', without: {} },
  { package: 'tzdata', without: {} },
  { package: 'locales', without: {} },
  { package: 'python3', without: {} },
  { package: 'sudo', without: {} },
  { package: 'fontconfig', without: {} },
  { package: 'postgresql-common', without: {} },
  { package: 'postgresql-15', without: {} },
  { package: 'libpq-dev', without: {} },
  { package: 'postfix', without: {} },
  { package: 'dash', without: cannotGo(needed) },
  { package: 'bash', without: cannotGo(needed) },
  { package: 'perl-base', without: cannotGo(needed) },
  { package: 'linux-image-cloud-amd64', without: {} },
  { package: 'rsync', without: {} },
  { package: 'git', without: {} },
  { package: 'vim', without: {} },
];
