/** System calls on the guest's machine and processes, in a plan and in the guest itself. */
import { readFileSync } from 'node:fs';
import { openGuest } from '../../src/guest/open.js';
import { openMemory } from '../../src/memory/open.js';
import { suspendedGuest, TemporaryLab, type SuspendedGuest } from '../lab/suspended.js';
import { Workbench } from './support.js';

/** Calls by their numbers on x86-64, on the pids in @ARGV: what each returns, or `e` and its errno. */
const probe = String.raw`
  sub call { my $r = syscall(shift, @_); return $r < 0 ? "e" . ($! + 0) : $r }
  my $info = "\0" x 112;
  call(99, $info);
  my @info = unpack("Q10 S", $info);
  my $cpus = "\0" x 128;
  print "machine $info[4] $info[8] ", call(204, 0, 128, $cpus), " ", unpack("H32", $cpus), "\n";
  for (@ARGV) {
    my $pid = $_ + 0;
    my ($limit, $attr, $param, $mask) = map { "\0" x $_ } 16, 48, 4, 8;
    print join(" ", $pid, call(121, $pid), call(124, $pid), call(140, 0, $pid), call(145, $pid),
      call(62, $pid, 0), call(200, $pid, 0), call(62, $pid, 65), call(143, $pid, $param), unpack("l", $param),
      call(315, $pid, $attr, 48, 0), unpack("H48", $attr), call(302, $pid, 7, 0, $limit), unpack("H*", $limit),
      call(302, $pid, 99, 0, $limit), call(204, $pid, 8, $mask), unpack("H*", $mask), call(252, 1, $pid)), "\n";
  }
`.replaceAll('\n', ' ');

let guest: SuspendedGuest;
let bench: Workbench;
let daemons: { pid: number; comm: string }[];

beforeAll(async () => {
  guest = await suspendedGuest();
  bench = new Workbench();
  using opened = openGuest(await openMemory(guest.memory));
  const lasting = ['systemd', 'kthreadd', 'systemd-udevd', 'systemd-journal', 'dbus-daemon', 'cron'];
  daemons = opened
    .processes()
    .filter(({ comm }) => lasting.includes(comm))
    .map(({ pid, comm }) => ({ pid, comm }));
});
afterAll(() => bench[Symbol.dispose]());

const images = () => ['--disk', guest.disk, '--memory', guest.memory];

test('answers are those of the guest itself', async () => {
  const pids = [...daemons.map(({ pid }) => String(pid)), '4000000'];
  expect(pids.length).toBeGreaterThan(3);
  const output = bench.file('probe.ouplan');
  const line = 'perl -e "$0" "$@"';
  const { status, stderr } = await bench.run(
    ...['plan', ...images(), '-o', output, '--', 'sh', '-c', line, probe, ...pids],
  );
  expect(status).toBe(0);
  await using lab = await TemporaryLab.open();
  await lab.copy(guest, 'copy');
  await lab.resume('copy');
  const inside = await lab.exec('copy', { path: '/usr/bin/perl', args: ['-e', probe, ...pids] });
  const lines = inside.stdout.toString().trim().split('\n');
  expect(lines).toHaveLength(pids.length + 1);
  const planned = stderr.split('\n').map((text) => text.trim());
  expect(planned.filter((text) => /^(machine|\d+) /.test(text))).toEqual(lines);
});

test('signals to its processes are in the plan, and nothing else gets them', async () => {
  const { pid, comm } = daemons.find((daemon) => daemon.comm === 'systemd-udevd')!;
  const output = bench.file('signals.ouplan');
  const line = [
    `kill -USR1 ${pid} && echo daemon $?`,
    'kill -HUP 1 && echo init $?',
    `kill -0 ${pid} && echo looked`,
    'kill -0 99999 2>/dev/null || echo nobody',
    'sleep 30 & kill $!; wait $!; echo own $?',
    'echo "cpus $(nproc) load $(cut -d" " -f1-3 /proc/loadavg)"',
    'uptime',
  ].join('; ');
  const hostProcess = (number: number) => readFileSync(`/proc/${number}/stat`, 'latin1').split(' ')[21];
  const init = hostProcess(1);
  const { status, stderr } = await bench.run('plan', ...images(), '-o', output, '--', 'sh', '-c', line);
  expect(status).toBe(0);
  for (const text of ['daemon 0', 'init 0', 'looked', 'nobody', 'own 143']) expect(stderr).toContain(text);
  const [, cpus, load] = /cpus (\d+) load (.*)/.exec(stderr) ?? [];
  expect(cpus).toBe('1');
  expect(stderr).toContain(`load average: ${load?.split(' ').join(', ')}`);
  expect(hostProcess(1)).toBe(init);
  expect(bench.leftovers()).toEqual([]);
  const { signals } = await bench.document<{ signals: object[] }>('show', output, '--signals', '--json');
  expect(signals).toEqual([
    expect.objectContaining({ command: 0, signal: 10, target: pid, targetComm: comm }),
    expect.objectContaining({ command: 0, signal: 1, target: 1, targetComm: 'systemd' }),
  ]);
  const table = await bench.run('show', output, '--signals');
  expect(table.stdout).toMatch(/SIGUSR1\s+\d+\s+systemd-udevd/);
});
