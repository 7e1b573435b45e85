import type { AllowListRow } from './judge.js';

/**
 * What two runs of the same update inside two copies of the same guest do not agree on, and nothing else. A row is
 * here because it was seen so, and a run of the corpus names the rows that were not seen again.
 */
export const allowList: readonly AllowListRow[] = [
  {
    path: '/var/log/dpkg.log',
    aspects: ['content'],
    same: 'times',
    why: 'dpkg writes the time of every step',
  },
  {
    path: '/var/log/apt/history.log',
    aspects: ['content'],
    same: 'times',
    why: 'apt writes when it began and ended',
  },
  {
    path: '/var/log/apt/term.log',
    aspects: ['content'],
    same: 'times and fingerprints',
    why: 'the same, and scripts say the time (tzdata) and the fingerprints of new keys (openssh-server)',
  },
  {
    path: '/var/log/alternatives.log',
    aspects: ['content'],
    same: 'times',
    why: 'update-alternatives writes the time of every call',
  },
  {
    path: '/var/cache/apt/*pkgcache.bin',
    aspects: ['content'],
    why: 'apt keeps an image of its memory, with the times of files and unused bytes in it',
  },
  {
    path: '/var/log/journal/*/system.journal',
    aspects: ['content', 'xattrs'],
    why: 'the journal holds times, ids and the messages of everything that runs; an attribute says when it was made',
  },
  {
    path: '/var/log/journal/*/system@*.journal*',
    aspects: ['presence'],
    why: 'a journal that was put aside is named by its random id and its first time',
  },
  {
    name: /^((?:\/var)?\/tmp\/systemd-private-)[0-9a-f]{32}(-.*)-\w{6}(?=\/|$)/,
    as: '$1BOOT$2-RANDOM',
    why: "a service's private temporary directory has the boot's id and six random letters in its name",
  },
  { path: '/var/log/wtmp', aspects: ['content'], why: 'it holds the times of boots and logins' },
  {
    path: '/var/log/nginx/error.log',
    aspects: ['content'],
    same: 'times and processes',
    why: 'nginx writes times and process ids',
  },
  {
    path: '/boot/initrd.img-*',
    aspects: ['content'],
    same: 'initrd packing',
    why: 'mkinitramfs packs a temporary directory with its inode numbers and times',
  },
  {
    path: '/etc/ssh/ssh_host_*_key*',
    aspects: ['content'],
    same: 'keys',
    why: 'openssh-server makes host keys',
  },
  {
    path: '/**/ssl-cert-snakeoil.pem',
    aspects: ['content'],
    same: 'keys',
    why: 'ssl-cert makes a certificate, of which postfix takes a copy',
  },
  {
    path: '/etc/ssl/private/ssl-cert-snakeoil.key',
    aspects: ['content'],
    same: 'keys',
    why: 'ssl-cert makes a key',
  },
  {
    path: '/etc/aliases.db',
    aspects: ['content'],
    same: 'alias database',
    why: 'Berkeley DB gives each file a random id, and postalias writes the time into it',
  },
  {
    path: '/var/cache/fontconfig/*.cache-8',
    aspects: ['content'],
    why: "fontconfig keeps the directories' times of change",
  },
  {
    path: '/var/cache/ldconfig/aux-cache',
    aspects: ['content'],
    why: 'ldconfig keeps inode numbers and times of change of libraries',
  },
  {
    path: '/var/lib/postfix/master.lock',
    aspects: ['content'],
    same: 'numbers',
    why: 'it holds a process id',
  },
  {
    path: '/var/spool/postfix/pid/master.pid',
    aspects: ['content'],
    same: 'numbers',
    why: 'it holds a process id',
  },
  {
    path: '/var/lib/postgresql/15/main/postmaster.pid',
    aspects: ['content'],
    same: 'numbers',
    why: 'it holds a process id, a time and the id of shared memory',
  },
  {
    path: '/var/lib/postgresql/15/main/**pg_internal.init',
    aspects: ['content', 'presence'],
    why: 'PostgreSQL keeps an image of memory, with addresses in it, from when somebody, or its autovacuum, first connects',
  },
  // pg_statistic, its index, and what of it is too long for it.
  ...['2619', '2696', '2840'].map((relation) => ({
    path: `/var/lib/postgresql/15/main/base/*/${relation}`,
    aspects: ['content'] as const,
    why: 'PostgreSQL gathers statistics when its autovacuum gets to it',
  })),
  {
    path: '/var/lib/postgresql/15/main/global/pg_control',
    aspects: ['content'],
    why: 'it holds the random id of the cluster, secrets and times',
  },
  {
    path: '/var/lib/postgresql/15/main/pg_wal/*',
    aspects: ['content'],
    why: 'the log of a cluster has its random id on each page, and times',
  },
  {
    path: '/var/lib/postgresql/15/main/pg_stat/pgstat.stat',
    aspects: ['content'],
    why: 'PostgreSQL counts what it did, and when',
  },
  {
    path: 'live:unit/postfix@-.service',
    aspects: ['presence'],
    why: 'a stopped instance whose unit file goes away is forgotten or kept as failed, whichever comes first',
  },
  {
    path: '/var/log/postgresql/postgresql-15-main.log',
    aspects: ['content'],
    same: 'times and processes',
    why: 'PostgreSQL writes times and process ids',
  },
  {
    path: 'live:run/systemd/units/invocation:*',
    aspects: ['content'],
    why: 'each start of a unit has a random id',
  },
  {
    path: 'live:sysctl/kernel/ns_last_pid',
    aspects: ['content'],
    why: 'it is the last process id that was given out',
  },
  {
    path: 'live:run/systemd/journal/streams/*',
    aspects: ['presence'],
    why: "a service's output is named by the inode number of its socket",
  },
];
