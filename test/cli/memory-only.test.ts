import { openGuest } from '../../src/guest/open.js';
import { openMemory } from '../../src/memory/open.js';
import { renderLocks } from '../../src/shadow/proc/kernel.js';
import { suspendedGuest, TemporaryLab } from '../lab/suspended.js';
import { expectRefusal, Workbench, type CliResult } from './support.js';

const lockFile = '/var/lib/dpkg/lock-frontend';
/** Leaves a process that has taken dpkg's lock as dpkg does, fcntl(2), and another one with flock(2). */
const holder = `
use Fcntl qw(:flock F_SETLK F_WRLCK);
pipe(my $ready, my $done) or die;
if (fork) { close($done); exit(<$ready> ? 0 : 1) }
open(STDIN, '<', '/dev/null'); open(STDOUT, '>', '/dev/null'); open(STDERR, '>', '/dev/null');
open(my $dpkg, '+<', '${lockFile}') or die;
my $lock = pack('s s x4 q q i x4', F_WRLCK, 0, 0, 0, 0);
fcntl($dpkg, F_SETLK, $lock) or die;
open(my $other, '<', '/etc/passwd') or die;
flock($other, LOCK_SH) or die;
syswrite($done, "held\\n");
sleep 100000;
`;

let lab: TemporaryLab;
let bench: Workbench;

beforeAll(async () => {
  lab = await TemporaryLab.open();
  await lab.copy(await suspendedGuest(), 'vm');
});
afterAll(() => lab[Symbol.asyncDispose]());
beforeEach(() => {
  bench = new Workbench();
});
afterEach(() => bench[Symbol.dispose]());

async function inGuest(path: string, ...args: string[]): Promise<string> {
  const { exitCode, stdout, stderr } = await lab.exec('vm', { path, args });
  if (exitCode !== 0) throw new Error(`${path} says: ${stderr.toString()}`);
  return stdout.toString();
}

/** Suspends the guest without letting it write its page cache back. */
const suspend = () => lab.suspend('vm', { sync: false });

async function plan(...command: string[]): Promise<CliResult> {
  const { disk, memory } = await lab.get('vm');
  const out = bench.file('out.ouplan');
  return bench.run('plan', '--disk', disk, '--memory', memory, '-o', out, '--', ...command);
}

/** The lines of `/proc/locks` without their numbers, which go by the order of the CPUs. */
const withoutNumbers = (text: string) =>
  text
    .trimEnd()
    .split('\n')
    .map((line) => line.replace(/^\d+: /, ''))
    .sort();

test('a lock of dpkg that is held is named with its holder', async () => {
  await lab.resume('vm');
  await inGuest('/usr/bin/perl', '-e', holder);
  await inGuest('/bin/sync');
  const inside = await inGuest('/bin/cat', '/proc/locks');
  await suspend();
  using guest = openGuest(await openMemory((await lab.get('vm')).memory));
  expect(withoutNumbers(renderLocks(guest))).toEqual(withoutNumbers(inside));
  expect(guest.fileLocks().length).toBeGreaterThanOrEqual(2);
  expect(guest.fileLocks().map(({ path }) => path)).toEqual(
    expect.arrayContaining([lockFile, '/etc/passwd']),
  );

  const result = await plan('true');
  expectRefusal(bench, result, 'GUEST_BUSY', 4);
  expect(result.stderr).toMatch(/perl \(pid \d+\) held the lock \/var\/lib\/dpkg\/lock-frontend/);
});

test('a file that was not written back is told, and must not be changed', async () => {
  await lab.resume('vm');
  await inGuest('/bin/sh', '-ec', 'kill $(grep -l ^perl /proc/[0-9]*/comm | cut -d/ -f3); sync');
  await inGuest('/bin/sh', '-ec', 'echo new > /root/unwritten; chmod 600 /etc/hostname');
  await inGuest('/bin/dd', 'if=/dev/zero', 'of=/root/written', 'bs=9000', 'count=1', 'conv=fsync');
  await suspend();
  using guest = openGuest(await openMemory((await lab.get('vm')).memory));
  const kinds = new Map(guest.unwrittenFiles().map(({ path, kind }) => [path, kind]));
  expect(kinds.get('/root/unwritten')).toBe('data');
  expect(kinds.get('/etc/hostname')).toBe('metadata');
  // fsync(2) leaves the inode on the list, but no page to be written.
  expect(kinds.get('/root/written')).not.toBe('data');
  expect(kinds.has('/etc/passwd')).toBe(false);

  expect((await plan('true')).status).toBe(0);
  const { notes } = await bench.document<{ notes: { code: string; text: string }[] }>(
    ...['show', bench.file('out.ouplan'), '--json'],
  );
  expect(notes).toEqual([
    { code: 'UNWRITTEN_DATA', text: expect.stringContaining('/root/unwritten') as unknown },
  ]);

  bench[Symbol.dispose]();
  bench = new Workbench();
  const refused = await plan('sh', '-c', 'echo planned > /root/unwritten');
  expectRefusal(bench, refused, 'GUEST_UNSYNCED', 4);
  expect(refused.stderr).toContain('/root/unwritten');
});

test("what is apt's must be on the disk", async () => {
  await lab.resume('vm');
  await inGuest('/bin/sh', '-ec', 'sync; echo "APT::Color 0;" > /etc/apt/apt.conf.d/99test');
  await suspend();
  const result = await plan('true');
  expectRefusal(bench, result, 'GUEST_UNSYNCED', 4);
  expect(result.stderr).toContain('/etc/apt/apt.conf.d/99test');
});
