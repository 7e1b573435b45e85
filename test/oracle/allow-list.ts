import type { AllowedDifference } from './judge.js';

/**
 * What two runs of the same update inside two copies of the same guest do not agree on, and nothing else. A row is
 * here because it was seen so, and a run of the corpus names the rows that were not seen again.
 */
export const allowList: readonly AllowedDifference[] = [
  {
    path: '/var/log/dpkg.log',
    aspects: ['content'],
    same: 'times',
    why: 'dpkg writes the time of every step',
  },
  {
    path: '/var/log/apt/*.log',
    aspects: ['content'],
    same: 'times',
    why: 'apt writes when it began and ended',
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
  { path: '/var/log/wtmp', aspects: ['content'], why: 'it holds the times of boots and logins' },
  {
    path: '/var/log/nginx/error.log',
    aspects: ['content'],
    same: 'times and processes',
    why: 'nginx writes times and process ids',
  },
  {
    path: 'live:run/systemd/units/invocation:*',
    aspects: ['content'],
    why: 'each start of a unit has a random id',
  },
  {
    path: 'live:run/systemd/journal/streams/*',
    aspects: ['presence'],
    why: "a service's output is named by the inode number of its socket",
  },
];
