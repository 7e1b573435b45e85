import { existsSync, readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { suspendedGuest, type SuspendedGuest } from '../lab/suspended.js';
import { Workbench } from './support.js';

let guest: SuspendedGuest;
let bench: Workbench;

beforeAll(async () => {
  guest = await suspendedGuest();
});
beforeEach(() => {
  bench = new Workbench();
});
afterEach(() => bench[Symbol.dispose]());

function startPlan() {
  const output = bench.file('out.ouplan');
  const images = ['--disk', guest.disk, '--memory', guest.memory, '-o', output];
  // Something that writes, forks and would go on for long, and that names the bench it belongs to.
  const command = [
    'sh',
    '-c',
    `: ${bench.scratch}; echo begun; while :; do date > /root/now; sleep 0.1; done`,
  ];
  return { output, run: bench.start(['plan', ...images, '--', ...command]) };
}

/** What is still there when the kernel has had a moment to end what died with the program. */
async function settled(counts: (left: string) => boolean = () => true): Promise<string[]> {
  let left = bench.leftovers().filter(counts);
  for (let tries = 0; tries < 50 && left.length > 0; tries++) {
    await sleep(100);
    left = bench.leftovers().filter(counts);
  }
  return left;
}

const noFile = (left: string) => !left.startsWith('file');

// Moments from the first instruction to the middle of the update.
test.each([50, 150, 300, 500, 700, 900, 1100, 1300, 1500, 1800, 2500, 3500])(
  'Ctrl-C after %i ms',
  async (moment) => {
    const { output, run } = startPlan();
    await sleep(moment);
    run.kill('SIGINT');
    const { exitCode, signal, stderr } = await run;
    // Before the program has taken over the signal, the signal itself ends it.
    if (signal !== 'SIGINT') {
      expect(stderr).toMatch(/\[INTERRUPTED\]\nhint: /);
      expect(exitCode).toBe(130);
    }
    expect(stderr).not.toMatch(/^\s+at /m);
    expect(await settled()).toEqual([]);
    expect(existsSync(output)).toBe(false);
  },
);

test('a second Ctrl-C leaves at once; no process, mount or loop device outlives it', async () => {
  const { output, run } = startPlan();
  for await (const line of run.iterable({ from: 'stderr' })) if (line.includes('begun')) break;
  run.kill('SIGINT');
  run.kill('SIGINT');
  await run;
  expect(await settled(noFile)).toEqual([]);
  expect(existsSync(output)).toBe(false);
});

test('SIGKILL in the middle of the update leaves no process, mount or loop device', async () => {
  const { output, run } = startPlan();
  for await (const line of run.iterable({ from: 'stderr' })) if (line.includes('begun')) break;
  run.kill('SIGKILL');
  await run;
  expect(await settled(noFile)).toEqual([]);
  expect(existsSync(output)).toBe(false);
  // What a killed program leaves is closed to others.
  expect(readdirSync(bench.scratch)).not.toEqual([]);
});
