const eachProcess = (command: string) =>
  `for p in /proc/[0-9]*; do echo "== \${p#/proc/}"; ${command}; echo; done`;

const systemFiles = ['interrupts', 'softirqs', 'misc', 'diskstats'];
const networkFiles = [
  ...['dev', 'route', 'ipv6_route', 'if_inet6', 'arp', 'tcp', 'tcp6', 'udp', 'udp6', 'raw', 'raw6'],
  ...['unix', 'netlink', 'packet'],
];
const processFiles = [
  'limits',
  'oom_score',
  'oom_score_adj',
  'io',
  'loginuid',
  'sessionid',
  'timerslack_ns',
  'personality',
];

/** What guests of the lab and of the zoo say alike, by programs that busybox has, too. Lines are `path:line`. */
export const sharedCaptures: Readonly<Record<string, string>> = {
  'all-fdinfo': 'cd /proc && grep -s "" [0-9]*/fdinfo/*',
  'all-task-stat': 'cd /proc && grep -H "" [0-9]*/task/*/stat',
  'all-mountinfo': 'cd /proc && grep -H "" [0-9]*/mountinfo',
  'module-parameters': 'cd /sys/module && grep -s "" */parameters/*',
  'module-state': 'cd /sys/module && grep -s "" */coresize */initstate */refcnt',
  'module-holders': 'cd /sys/module && ls -d */holders/*',
  'proc-locks': 'cat /proc/locks',
  'dmesg-r': 'dmesg -r',
};

/** More of what a guest's `/proc` shows, for `captures.ts`. */
export const procCaptures: Readonly<Record<string, string>> = {
  ...Object.fromEntries(systemFiles.map((name) => [`proc-${name}`, `cat /proc/${name}`])),
  ...Object.fromEntries(networkFiles.map((name) => [`proc-net-${name}`, `cat /proc/net/${name}`])),
  ...Object.fromEntries(processFiles.map((name) => [`all-${name}`, eachProcess(`cat $p/${name}`)])),
  'all-environ': eachProcess('tr "\\0" "\\n" <$p/environ'),
  'all-auxv': eachProcess('base64 -w0 $p/auxv'),
  'all-ns': eachProcess('ls -l $p/ns'),
};
