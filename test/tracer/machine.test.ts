/** What the engine answers about the machine: memory, load, CPUs. */
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import type { MachineAnswers } from '../../src/tracer/tracer.js';
import { call, results } from './calls.js';
import { compile, leftovers, observe, removeFolder, throughEachBackend, until } from './support.js';

const { EINVAL, EFAULT, ESRCH } = constants.errno;

const native = Buffer.from(Array.from({ length: 112 }, (_, index) => index + 1));
const compat = Buffer.from(Array.from({ length: 64 }, (_, index) => index + 101));
/** Five CPUs of which number 1 is offline: more than the host need have. */
const machine: MachineAnswers = {
  sysinfo: Buffer.concat([native, compat]),
  cpuIds: 5,
  cpus: Buffer.from('1d00000000000000', 'hex'),
};

const affinity = compile('affinity');

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

throughEachBackend(() => {
  test('sysinfo has the layout of the caller', async () => {
    expect(await call([['sysinfo', '@120']], { machine })).toEqual([
      { result: 0, buffers: [Buffer.concat([native, Buffer.alloc(8)])] },
    ]);
    expect(await call([['sysinfo', '@72']], { machine }, 32)).toEqual([
      { result: 0, buffers: [Buffer.concat([compat, Buffer.alloc(8)])] },
    ]);
    expect(await results([['sysinfo', 'bad']], { machine })).toEqual([-EFAULT]);
  });

  test.each([64, 32] as const)('a thread of %i bits has all CPUs until it chooses', async (bits) => {
    const answers = await call(
      [
        ['sched_getaffinity', 0, 128, '@16'],
        ['sched_setaffinity', 0, 1, '=07'],
        ['sched_getaffinity', 'self', 8, '@8'],
        ['sched_setaffinity', 'self', 128, `=10${'00'.repeat(127)}`],
        ['sched_getaffinity', 'child', 8, '@8'],
        ['sched_setaffinity', 'child', 8, '=0c00000000000000'],
        ['sched_getaffinity', 'child', 8, '@8'],
        ['sched_getaffinity', 0, 8, '@8'],
      ],
      { machine },
      bits,
    );
    expect(answers.map(({ result }) => result)).toEqual([8, 0, 8, 0, 8, 0, 8, 8]);
    const masks = [0, 2, 4, 6, 7].map((index) => answers[index]?.buffers[0]?.[0]);
    // The child was made by a parent that had chosen CPU 4.
    expect(masks).toEqual([0x1d, 0x05, 0x10, 0x0c, 0x10]);
  });

  test('errors are those of the kernel', async () => {
    const wrong = [
      ['sched_getaffinity', 0, 0, '@8'],
      ['sched_getaffinity', 0, 12, '@16'],
      ['sched_getaffinity', 0, 8, 'bad'],
      ['sched_setaffinity', 0, 8, '=e200000000000000'],
      ['sched_setaffinity', 0, 0, '@8'],
      ['sched_setaffinity', 0, 8, 'bad'],
      ['sched_getaffinity', 4194303, 8, '@8'],
    ] as const;
    expect(await results(wrong, { machine })).toEqual([
      ...[-EINVAL, -EINVAL, -EFAULT, -EINVAL, -EINVAL, -EFAULT, -ESRCH],
    ]);
    expect(await results([['sched_getaffinity', 0, 12, '@16']], { machine }, 32)).toEqual([8]);
  });

  test('what a thread chose goes to its threads and children, and over an exec', async () => {
    expect((await observe([affinity], { machine })).output).toBe('4\n2 2\n1\n');
  });

  test('programs count the same CPUs', async () => {
    const { output } = await observe(['sh', '-c', 'nproc; taskset -p -c $$; taskset -c 3,4 nproc'], {
      machine,
    });
    expect(output).toMatch(/^4\npid \d+'s current affinity list: 0,2-4\n2\n$/);
  });

  test("another user's process keeps its CPUs", async () => {
    const line =
      'sleep 1000 & for user in 65534 0; do setpriv --reuid $user taskset -p 4 $! >/dev/null; echo $?; done';
    const { output } = await observe(['sh', '-c', line], { machine, grace: 0 });
    expect(output).toContain('Operation not permitted');
    expect(output).toMatch(/1\n0\n$/);
  });

  test('masks are as long as the guest kernel has them', async () => {
    const large = { ...machine, cpuIds: 130, cpus: Buffer.alloc(24, 0xff) };
    expect(await results([['sched_getaffinity', 0, 128, '@128']], { machine: large })).toEqual([24]);
    expect(await results([['sched_getaffinity', 0, 16, '@16']], { machine: large })).toEqual([-EINVAL]);
  });

  test('what the run has sent to one CPU goes where it likes afterwards', async () => {
    const allowed = () =>
      readdirSync('/proc/self/task').map(
        (tid) => /^Cpus_allowed:.*$/m.exec(readFileSync(`/proc/self/task/${tid}/status`, 'utf8'))?.[0],
      );
    const before = new Set(allowed());
    const loop =
      'i=0; while [ $i -lt 400 ]; do /bin/true; i=$((i + 1)); done; grep Cpus_allowed: /proc/self/status';
    const { output, result } = await observe(['sh', '-c', loop], { machine, procServer: process.pid });
    expect(result.exitStatus).toBe(0);
    expect(output).toMatch(/^Cpus_allowed:/);
    expect(new Set(allowed())).toEqual(before);
  });
});
