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

/** More of what a guest's `/proc` shows, for `captures.ts`. */
export const procCaptures: Readonly<Record<string, string>> = {
  ...Object.fromEntries(systemFiles.map((name) => [`proc-${name}`, `cat /proc/${name}`])),
  ...Object.fromEntries(networkFiles.map((name) => [`proc-net-${name}`, `cat /proc/net/${name}`])),
  ...Object.fromEntries(processFiles.map((name) => [`all-${name}`, eachProcess(`cat $p/${name}`)])),
  'all-environ': eachProcess('tr "\\0" "\\n" <$p/environ'),
  'all-auxv': eachProcess('base64 -w0 $p/auxv'),
  'all-ns': eachProcess('ls -l $p/ns'),
};
