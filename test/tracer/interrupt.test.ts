/** Ctrl-C at random moments to a process that traces: it ends, and leaves neither a tracee nor a zombie. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { backendNames } from '../../src/native/shim.js';
import { compile, environment, leftovers, random, removeFolder } from './support.js';

const kills = compile('kills');
const moments = compile('moments');
const rounds = 4;

afterAll(removeFolder);

const engine = new URL('../../src/tracer/trace.js', import.meta.url).href;
const script = `
  import { trace } from ${JSON.stringify(engine)};
  const controller = new AbortController();
  const stop = () => controller.abort();
  process.on('SIGINT', stop);
  process.send('ready');
  const run = trace({
    command: ['sh', '-c', process.argv[1]],
    signal: controller.signal,
    onExec: async (held) => {
      if (held.sequence % 3 === 0) await held.quiesce();
      return { action: 'continue' };
    },
    onEvent: () => undefined,
  });
  await run.result.catch((error) => {
    if (error.code !== 'INTERRUPTED') throw error;
    process.exitCode = 130;
  });
  process.off('SIGINT', stop);
  process.disconnect();`;

const works = [
  `${kills} exec & ${moments} herd 1000 & while :; do /bin/true; done`,
  `${kills} threads & ${moments} many 300 & ${moments} leaderless 3 & sleep 1000`,
  `trap '' INT TERM HUP; (setsid sh -c "while :; do /bin/true; done") & ${kills} vfork & sleep 1000`,
];

test.each(backendNames)('through %s', async (backend) => {
  const next = random(backend.length);
  for (let round = 0; round < rounds; round++) {
    const work = works[round % works.length] ?? '';
    const child = spawn(process.execPath, ['--input-type=module', '-e', script, work], {
      env: { ...environment, OUASSISTER_FFI: backend },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const end = once(child, 'exit');
    await once(child, 'message');
    await sleep(next() * 400);
    child.kill('SIGINT');
    expect(await end).toEqual([130, null]);
    expect(leftovers()).toEqual([]);
  }
});
