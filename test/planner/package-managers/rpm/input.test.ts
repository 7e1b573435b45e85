import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hasInput, takeInput } from '../../../../src/planner/package-managers/rpm/input.js';

test('what is written to a process that stands still is taken to its end', async () => {
  const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore'] });
  // A socket is what Node gives: a shell makes the pipe, and writes more to it than it holds.
  const shell = spawn('sh', ['-c', `seq 100000 | sh -c 'echo $$ >&3; exec sleep 60' 3>&1`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  try {
    const [line] = (await once(shell.stdout, 'data')) as [Buffer];
    const pid = Number(line.toString());
    expect(hasInput(child.pid!)).toBe(false);
    expect(hasInput(pid)).toBe(true);
    const taken = (await takeInput(pid)).toString().split('\n');
    expect([taken.length, taken[0], taken.at(-2)]).toEqual([100_001, '1', '100000']);
    process.kill(pid);
  } finally {
    child.kill();
    shell.kill();
  }
});
