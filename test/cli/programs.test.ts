/** What programs print in the shadow root, against what they printed in the guest a moment before it was suspended. */
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { Workbench } from './support.js';

const programs = {
  'sysctl-a': 'sysctl -a',
  'ss-tuxan': 'ss -tuxan',
  'ps-lstart': 'ps -eo user,pid,ppid,lstart,args',
  'ps-threads': 'ps -eLo pid,tid,comm',
  'pgrep-la': 'pgrep -la .',
  lsmod: 'lsmod',
  'findmnt-list': 'findmnt --list --output TARGET,SOURCE,FSTYPE,OPTIONS',
  mount: 'mount',
  free: 'free',
  uptime: 'uptime',
} as const;
type Program = keyof typeof programs;

let guest: SuspendedGuest;
let bench: Workbench;
let shadow: ReadonlyMap<string, readonly string[]>;
let after: readonly string[];

beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
  const script = Object.entries(programs)
    .map(([name, command]) => `echo "== ${name}"; COLUMNS=500 ${command}`)
    .join('; ');
  const run = await bench.run(
    ...['plan', '--disk', guest.disk, '--memory', guest.memory, '-o', bench.file('programs.ouplan'), '--'],
    ...[
      'sh',
      '-c',
      `{ ${script}; } >/tmp/said 2>/dev/null; echo BEGIN; base64 /tmp/said; echo END; dmesg || :`,
    ],
  );
  expect(run).toMatchObject({ status: 0 });
  const lines = run.stderr.split('\n').map((line) => line.trim());
  const end = lines.indexOf('END');
  const said = Buffer.from(lines.slice(lines.indexOf('BEGIN') + 1, end).join(''), 'base64').toString();
  after = lines.slice(end + 1);
  shadow = new Map(
    said
      .split(/^== /m)
      .slice(1)
      .map((block) => {
        const [name = '', ...rest] = block.trimEnd().split('\n');
        return [name, rest];
      }),
  );
});
afterAll(() => bench[Symbol.dispose]());

/** The lines of a program on both sides, without those that `leaveOut` names and with runs of spaces as one. */
async function both(name: Program, leaveOut = /^$/): Promise<{ inside: string[]; ours: string[] }> {
  const plain = (lines: readonly string[]) =>
    lines.filter((line) => !leaveOut.test(line)).map((line) => line.trim().replace(/ +/g, ' '));
  return {
    inside: plain((await guest.inside(name)).trimEnd().split('\n')),
    ours: plain(shadow.get(name) ?? []),
  };
}

/** What ran the programs, on either side, what worked meanwhile, and workers of the kernel, which are named by their work. */
const busy =
  /kworker\/|lab-captures|udev-worker| sh( -c|$)|\bps( |$)|pgrep|qemu-ga|systemd-journal|== sysctl/;

test('ps: the same processes, users, parents, starts and arguments', async () => {
  // It takes the seconds from the clock less the uptime, so that they can be one off.
  const minutes = (lines: readonly string[]) =>
    lines.map((line) => line.replace(/(\d\d:\d\d):\d\d (\d{4}) /, '$1 $2 '));
  const { inside, ours } = await both('ps-lstart', busy);
  expect(inside.length).toBeGreaterThan(40);
  expect(minutes(ours)).toEqual(minutes(inside));
});

test('ps -eL: the same threads', async () => {
  const { inside, ours } = await both('ps-threads', busy);
  expect(inside.length).toBeGreaterThan(40);
  expect(ours).toEqual(inside);
});

test('pgrep -la: the same processes', async () => {
  const { inside, ours } = await both('pgrep-la', busy);
  expect(inside.length).toBeGreaterThan(40);
  expect(ours).toEqual(inside);
});

test('lsmod: the same modules, sizes, counts and users', async () => {
  // The order of the users is that of a directory of sysfs.
  const sorted = (lines: readonly string[]) =>
    lines.map((line) => line.replace(/\S+$/, (users) => users.split(',').sort().join(',')));
  const { inside, ours } = await both('lsmod');
  expect(inside.length).toBeGreaterThan(20);
  expect(sorted(ours)).toEqual(sorted(inside));
});

test.each(['mount', 'findmnt-list'] as const)(
  '%s: the same mounts and options, but for those of file systems that are modules',
  async (name) => {
    const known = (lines: readonly string[]) =>
      lines.map((line) => line.replace(/( (?:ext4|autofs) \(?r[ow],relatime),[^)\s]*/, '$1'));
    const { inside, ours } = await both(name);
    expect(inside.length).toBeGreaterThan(15);
    expect(known(ours)).toEqual(known(inside));
  },
);

/** `/proc/net` has neither the room of a listener's queue, nor a bound device, nor a unix socket's peer: ss asks netlink for those. */
const fromFiles = (line: string) =>
  line
    .replace(/^(\S+ LISTEN \d+) \d+/, '$1 0')
    .replace(/%\w+(?=:)/, '')
    .replace(/^(u_.* \* )\d+$/, '$10')
    .replace(/\[::\]:\*$/, '*:*');

test('ss -tuxan: the same sockets, addresses, states and queues', async () => {
  const { inside, ours } = await both('ss-tuxan');
  expect(inside.length).toBeGreaterThan(30);
  const [now, before] = [ours.map(fromFiles).sort(), inside.map(fromFiles).sort()];
  const inet = (lines: readonly string[]) => lines.filter((line) => /^(tcp|udp) /.test(line));
  expect(inet(now)).toEqual(inet(before));
  expect(inet(now).length).toBeGreaterThan(5);
  // What took the captures had connections of its own.
  expect(now.filter((line) => !before.includes(line)).length).toBeLessThan(4);
  expect(before.filter((line) => !now.includes(line)).length).toBeLessThan(4);
});

test('sysctl -a: the same values; what is not known is named here', async () => {
  const moving = /^(fs\.(dentry-state|file-nr|inode-)|kernel\.(ns_last_pid|random\.)|fs\.quota\.)/;
  const unknown = [
    /^fs\.binfmt_misc\.status/,
    /^kernel\.(bpf_stats_enabled|numa_balancing|sched_schedstats|task_delayacct|watchdog_cpumask)/,
    /^kernel\.(seccomp\.actions_logged|usermodehelper\.)/,
    /^net\.core\.(default_qdisc|flow_limit_cpu_bitmap|high_order_alloc_disable|netdev_rss_key|rps_sock_flow_entries)/,
    /^net\.ipv[46]\.neigh\.\w+\.unres_qlen /,
    /^net\.ipv4\.tcp_(allowed_congestion_control|available_congestion_control|available_ulp|congestion_control|ehash_entries|fastopen_key)/,
    /^net\.netfilter\.nf_log\./,
  ];
  const { inside, ours } = await both('sysctl-a', moving);
  expect(inside.length).toBeGreaterThan(900);
  expect(ours.filter((line) => !inside.includes(line))).toEqual([]);
  const missing = inside.filter((line) => !ours.includes(line));
  expect(missing.filter((line) => !unknown.some((pattern) => pattern.test(line)))).toEqual([]);
});

test('free and uptime: the same form, and what does not move is equal', async () => {
  const free = await both('free');
  const numbers = (lines: readonly string[]) => lines.map((line) => line.replace(/\d+/g, '#'));
  expect(numbers(free.ours)).toEqual(numbers(free.inside));
  const fixed = (lines: readonly string[]) => [lines[1]?.split(' ')[1], lines[2]];
  expect(fixed(free.ours)).toEqual(fixed(free.inside));
  const uptime = await both('uptime');
  expect(uptime.ours.join().replace(/\d+/g, '#')).toBe(uptime.inside.join().replace(/\d+/g, '#'));
  const minutes = (lines: readonly string[]) => Number(/up (\d+) min/.exec(lines.join())?.[1]);
  expect(Math.abs(minutes(uptime.ours) - minutes(uptime.inside))).toBeLessThan(20);
});

test("dmesg is refused: the log would be this machine's", () => {
  expect(after.join('\n')).toMatch(/dmesg: read kernel buffer failed: Operation not permitted/);
});
