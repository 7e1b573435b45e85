import { procCaptures, sharedCaptures } from './captures-proc.js';
import { makeMemoryFiles } from './memory-files.js';
import { makeSockets } from './sockets.js';

const memoryTrees = 'find /run /dev/shm /mnt -path /run/lab-captures -prune -o';

/** What a guest says about itself: file name in `inside/` → shell command, run by root in the guest. */
export const captures: Readonly<Record<string, string>> = {
  'memory-files-made': makeMemoryFiles,
  // First: reading all sysctls mounts binfmt_misc and loads its module, and ss loads those that it asks.
  'sysctl-a': 'sysctl -a',
  'sockets-made': makeSockets,
  'ss-tuxan': 'ss -tuxan',
  'uname-a': 'uname -a',
  ps: 'ps -eo pid,ppid,pgid,sid,tpgid,stat,ni,pri,cls,psr,uid,gid,nlwp,vsz,rss,time,tty,comm,args ww',
  'ps-simple': 'ps -eo pid,ppid,comm,args ww',
  'ps-threads': 'ps -eLo pid,tid,comm',
  lsmod: 'lsmod',
  boot_id: 'cat /proc/sys/kernel/random/boot_id',
  'machine-id': 'cat /etc/machine-id',
  hostname: 'hostname',
  domainname: 'cat /proc/sys/kernel/domainname',
  date: 'date +%s.%N',
  'dpkg-l': 'dpkg -l',
  'dpkg-query': 'dpkg-query -W',
  'systemctl-units': 'systemctl list-units --all --plain --no-legend --no-pager',
  'ip-addr': 'ip -details address',
  'ip-route': 'ip route',
  'ls-run': 'ls -laR /run',
  blkid: 'blkid',
  'proc-1-root': 'readlink /proc/1/root',
  ...procFiles(
    'modules filesystems mounts cmdline meminfo version cpuinfo stat devices partitions swaps vmstat iomem kallsyms',
  ),
  ...procFiles('1/mountinfo 1/mounts 1/stat 1/status 1/limits 1/maps 1/cgroup 1/environ'),
  ...perProcess('stat'),
  ...perProcess('status'),
  ...perProcess('cmdline'),
  ...perProcess('comm'),
  ...perProcess('maps'),
  // path, permission bits and target of each process's links
  'proc-links':
    "find /proc/[0-9]* -maxdepth 2 \\( -path '*/fd/*' -o -name cwd -o -name root -o -name exe \\) -printf '%p %m %l\\n'",
  ...procCaptures,
  ...sharedCaptures,
  'all-task-status': 'cd /proc && grep -H "" [0-9]*/task/*/status',
  'ps-lstart': 'ps -eo user,pid,ppid,lstart,args',
  'pgrep-la': 'pgrep -la .',
  'findmnt-list': 'findmnt --list --output TARGET,SOURCE,FSTYPE,OPTIONS',
  mount: 'mount',
  free: 'free',
  uptime: 'uptime',
  'proc-loadavg': 'cat /proc/loadavg',
  'proc-uptime': 'cat /proc/uptime',
  // Each with NULs behind the names. Content first: reading it sets the time of the last access.
  'memory-files-sums': `${memoryTrees} -type f -print0 | xargs -0 sha256sum -z | base64`,
  'memory-files': `${memoryTrees} -printf '%y %m %U %G %s %n %i %A@ %T@ %C@ %p\\0%l\\0' | base64`,
};

/** A script that runs all captures and writes them to its standard output as a tar archive. */
export function captureScript(): string {
  const folder = '/run/lab-captures';
  return [
    `mkdir -p ${folder} || exit`,
    ...Object.entries(captures).map(
      ([name, command]) => `{ ${command}; } >${folder}/${name}.txt 2>/dev/null`,
    ),
    `cd ${folder} && tar -cf - *.txt || exit`,
    `cd / && rm -rf ${folder}`,
    '',
  ].join('\n');
}

/** A capture for each of some files below `/proc`. */
export function procFiles(paths: string): Record<string, string> {
  return Object.fromEntries(
    paths.split(' ').map((path) => [`proc-${path.replaceAll('/', '-')}`, `cat /proc/${path}`]),
  );
}

/** All processes' files of one name, each after a line `== PID`. */
export function perProcess(file: string): Record<string, string> {
  return {
    [`all-${file}`]: `for p in /proc/[0-9]*; do echo "== \${p#/proc/}"; cat $p/${file}; echo; done`,
  };
}
