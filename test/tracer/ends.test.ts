/** Every way in which a run ends: by itself, with things left over, stopped, or failed. Nothing stays behind. */
import { spawn as spawnChild } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { trace } from '../../src/tracer/trace.js';
import type { TraceOptions } from '../../src/tracer/tracer.js';
import {
  compile,
  environment,
  folder,
  leftovers,
  letGo,
  observe,
  random,
  removeFolder,
  start,
  until,
  withCode,
  throughEachBackend,
} from './support.js';

const spawn = compile('spawn');
const kills = compile('kills');
const descriptors = () => readdirSync('/proc/self/fd').length;

afterAll(removeFolder);
afterEach(() => until(() => leftovers().length === 0));

throughEachBackend((backend) => {
  test.each([
    ['exit 0', { exitStatus: 0 }],
    ['exit 42', { exitStatus: 42 }],
    ['kill -TERM $$', { exitStatus: 143, signal: 15 }],
    ['exec sh -c "exit 7"', { exitStatus: 7 }],
  ])('sh -c %j', async (line, exit) => {
    const { result, events } = await observe(['sh', '-c', line]);
    expect(result).toMatchObject(exit);
    expect(events.at(-1)).toEqual({ type: 'exit', pid: expect.any(Number) as number, ...exit });
  });

  test('births and deaths are told, threads apart from processes', async () => {
    const { events } = await observe([spawn, 'thread', '/bin/true']);
    const forks = events.filter((event) => event.type === 'fork');
    expect(forks.filter(({ thread }) => !thread)).toHaveLength(1);
    expect(forks.filter(({ thread }) => thread)).toHaveLength(4);
    expect(events.filter(({ type }) => type === 'exit')).toHaveLength(2);
  });

  test("a daemon left behind is named and ended; the result is the command's", async () => {
    const line = `setsid sh -c 'exec sleep 1000' & nohup sleep 1001 >/dev/null 2>&1 & (trap '' TERM HUP; sleep 1002) & exit 3`;
    const { result } = await observe(['sh', '-c', line], { grace: 100 });
    expect(result.exitStatus).toBe(3);
    const sleeps = result.leftovers.filter(({ name }) => name === 'sleep');
    expect(sleeps.map(({ argv }) => argv.join(' ')).sort()).toEqual([
      'sleep 1000',
      'sleep 1001',
      'sleep 1002',
    ]);
    expect(sleeps.every(({ pid }) => pid > 0)).toBe(true);
  });

  test('what ends by itself within the grace is not left over', async () => {
    const { result } = await observe(['sh', '-c', 'sleep 0.2 & exit 0'], { grace: 20_000 });
    expect(result.leftovers).toEqual([]);
  });

  test('output goes to a descriptor or a stream, whole and in order', async () => {
    const { output } = await observe(['sh', '-c', 'seq 100000; echo end >&2']);
    expect(output).toHaveLength(588895 + 4);
    expect(output.endsWith('100000\nend\n')).toBe(true);
  });

  test('descriptors of ours do not reach the command, and none stays open here', async () => {
    await observe(['/bin/true']);
    const before = descriptors();
    const { output } = await observe(['sh', '-c', 'ls /proc/$$/fd']);
    expect(output).toBe('0\n1\n2\n');
    expect(descriptors()).toBe(before);
  });

  test('aborted before it begins, nothing runs', async () => {
    const { run, events } = start(['/bin/true'], { signal: AbortSignal.abort() });
    await expect(run.result).rejects.toEqual(withCode('INTERRUPTED'));
    await expect(run.started).rejects.toEqual(withCode('INTERRUPTED'));
    expect(events).toEqual([]);
  });

  test('aborted at random moments, no tracee is left', async () => {
    const next = random(20);
    const work = ['uname', 'threads', 'fork', 'vfork', 'exec'];
    for (let round = 0; round < 25; round++) {
      const controller = new AbortController();
      const line = `${kills} ${work[round % work.length]} & (while :; do /bin/true; done) & sleep 1000`;
      const { run } = start(['sh', '-c', line], {
        signal: controller.signal,
        onExec: async (stop) => {
          if (stop.sequence % 3 === 0) await stop.quiesce();
          return letGo();
        },
      });
      await new Promise((resolve) => setTimeout(resolve, next() * 250));
      controller.abort();
      await expect(run.result).rejects.toEqual(withCode('INTERRUPTED'));
      expect(leftovers()).toEqual([]);
    }
  });

  test('aborted while a handler decides', async () => {
    const controller = new AbortController();
    const { run } = start(['/bin/true'], {
      signal: controller.signal,
      onExec: async () => {
        controller.abort();
        await run.result.catch(() => undefined);
        return letGo();
      },
    });
    await expect(run.result).rejects.toEqual(withCode('INTERRUPTED'));
  });

  test('what a handler throws ends the run', async () => {
    const options: Partial<TraceOptions>[] = [
      {
        onExec: () => {
          throw new Error('from the handler');
        },
      },
      { onExec: () => Promise.reject(new Error('from the handler')) },
      {
        onEvent: () => {
          throw new Error('from the handler');
        },
      },
    ];
    for (const option of options) {
      const run = trace({ command: ['sh', '-c', 'sleep 1000 & sleep 1000'], environment, ...option });
      await expect(run.result).rejects.toMatchObject({
        code: 'TRACE_FAILED',
        cause: { message: 'from the handler' },
      });
    }
  });

  test('a command that cannot be run is an error with a reason', async () => {
    const text = join(folder, 'text');
    writeFileSync(text, 'neither', { mode: 0o755 });
    const failures: [Partial<TraceOptions> & { command: string[] }, string][] = [
      [{ command: ['no-such-program-anywhere'] }, 'PROGRAM_MISSING'],
      [{ command: ['/no/such/program'] }, 'PROGRAM_MISSING'],
      [{ command: [] }, 'USAGE'],
      [{ command: ['/bin/a\0b'] }, 'USAGE'],
      [{ command: ['/etc'] }, 'TRACE_FAILED'],
      [{ command: [text] }, 'TRACE_FAILED'],
      [{ command: ['/bin/true'], cwd: '/no/such/folder' }, 'PROGRAM_MISSING'],
      [{ command: ['/bin/true'], stdio: [999, 'inherit', 'inherit'] }, 'TRACE_FAILED'],
    ];
    for (const [{ command, ...options }, code] of failures)
      await expect(start(command, options).run.result).rejects.toEqual(withCode(code));
  });

  test('a fault of the tracing thread itself rejects, and neither hangs nor leaves the tracees', async () => {
    const { run } = start(['sleep', '1000'], { uname: new Uint8Array(3) });
    await expect(run.result).rejects.toEqual(withCode('TRACE_FAILED'));
    await expect(run.started).rejects.toEqual(withCode('TRACE_FAILED'));
  });

  test('so does one in the middle of a run', async () => {
    const { run } = start(['sh', '-c', 'sleep 1000 & sleep 1001 & /bin/true'], {
      onExec: (stop) =>
        String(stop.path) === '/bin/true'
          ? { action: 'fail', errno: 'no number' as unknown as number }
          : letGo(),
    });
    await expect(run.result).rejects.toEqual(withCode('TRACE_FAILED'));
  });

  test.each([
    ['process.exit(3)', [3, null]],
    ['process.kill(process.pid, "SIGKILL")', [null, 'SIGKILL']],
    ['process.abort()', [null, 'SIGABRT']],
  ])('when our own process ends by %s, the kernel ends the tracees', async (end, exit) => {
    const script = `
        import { trace } from ${JSON.stringify(new URL('../../src/tracer/trace.js', import.meta.url).href)};
        const command = ['sh', '-c', 'sleep 1000 & (while :; do /bin/true; done) & sleep 1001'];
        trace({ command, onExec: (stop) => {
          if (stop.sequence === 30) ${end};
          return { action: 'continue' };
        } });`;
    const child = spawnChild(process.execPath, ['--input-type=module', '-e', script], {
      env: { ...environment, OUASSISTER_FFI: backend },
      stdio: 'ignore',
    });
    expect(await once(child, 'exit')).toEqual(exit);
    await until(() => leftovers().length === 0);
  });

  test('several runs at once do not see each other', async () => {
    const runs = await Promise.all(
      Array.from({ length: 4 }, (_, index) =>
        observe(['sh', '-c', `for i in 1 2 3; do /bin/true; done; exit ${index}`], { onExec: letGo }),
      ),
    );
    expect(runs.map(({ result, stops }) => [result.exitStatus, stops.length])).toEqual(
      [0, 1, 2, 3].map((index) => [index, 4]),
    );
  });

  test('a quiesce stops every writer, and all go on afterwards', async () => {
    const writer = compile('writer');
    const file = join(folder, `grows-${backend}`);
    const size = () => readFileSync(file).length;
    const sizes: number[] = [];
    const { run } = start([writer, file], {
      grace: 0,
      onExec: async (stop) => {
        if (String(stop.path) !== '/bin/true') return letGo();
        await until(() => size() > 1000);
        await stop.quiesce();
        await stop.quiesce();
        sizes.push(size());
        await new Promise((resolve) => setTimeout(resolve, 100));
        sizes.push(size());
        return letGo();
      },
    });
    const result = await run.result;
    expect(sizes[0]).toBeGreaterThan(1000);
    expect(sizes[1]).toBe(sizes[0]);
    expect(size()).toBeGreaterThan(sizes[0] ?? Infinity);
    expect(result.exitStatus).toBe(0);
  });
});
